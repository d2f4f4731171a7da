package path_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labsim/sim"
	"labsim/sim/path"
	"labsim/sim/text"
	"labsim/sim/world"
	"labsim/sim/world/worldtest"
)

// lab is the seed's lab with neighbours: a second public instance, a stopped
// one, a bastion-like one with an address and no way to answer, another VPC of
// the same CIDR.
const lab = `
vpc lab 10.0.0.0/16 hostnames
igw main lab
igw loose
table main lab main
table public lab
route public 0.0.0.0/0 igw-main
table private lab
table odd lab
route odd 0.0.0.0/0 igw-loose
route odd 10.0.2.0/24 eni-box
route odd 192.0.2.0/24 eni-box
subnet public lab 10.0.1.0/24 table=public
subnet private lab 10.0.2.0/24 table=private
subnet odd lab 10.0.3.0/24 table=odd
group web lab
ingress web tcp/22 0.0.0.0/0
ingress web tcp/80 0.0.0.0/0
ingress web icmp/8/-1 10.0.0.0/16
egress web all 0.0.0.0/0
group db lab
ingress db tcp/22 web
ingress db tcp/5432 web
egress db all 0.0.0.0/0
group strict lab
ingress strict tcp/5432 db
ingress strict udp/1000-2000 198.51.100.1/32
egress strict tcp/443 0.0.0.0/0
group open lab
ingress open all 0.0.0.0/0
egress open all 0.0.0.0/0
instance web public 10.0.1.10 groups=web public=198.51.100.20
instance web2 public 10.0.1.11 groups=web eip=198.51.100.21
instance off public 10.0.1.12 groups=open eip=198.51.100.22 state=stopped
instance db private 10.0.2.10 groups=db
instance mute private 10.0.2.11 groups=open public=198.51.100.23
instance strict public 10.0.1.13 groups=strict,db public=198.51.100.24
instance odd odd 10.0.3.10 groups=open
instance box public 10.0.1.20 groups=open
eni spare private 10.0.2.30 groups=open
address free 198.51.100.40
vpc nodns 10.0.0.0/16 nodns
igw nodns nodns internet
table nodns nodns main
route nodns 0.0.0.0/0 igw-nodns
subnet nodns nodns 10.0.1.0/24
group all nodns
ingress all all 0.0.0.0/0
egress all all 0.0.0.0/0
instance far nodns 10.0.1.10 groups=all public=198.51.100.30
instance lone nodns 10.0.1.14 groups=all
`

func TestTrace(t *testing.T) {
	s := parse(t, lab)
	for _, c := range []struct {
		query string // FROM TO TRAFFIC
		want  string // yes or no, then what decided, one per line: kind resource rule
		fix   []string
	}{
		{query: "internet db tcp/5432", want: `no
public eni-db
route rtb-private
ingress sg-db`, fix: []string{
			"aws ec2 associate-address --network-interface-id eni-db --allocation-id eipalloc-free",
			"aws ec2 authorize-security-group-ingress --group-id sg-db --protocol tcp --port 5432 --cidr 0.0.0.0/0",
			"aws ec2 replace-route-table-association --association-id rtbassoc-private --route-table-id rtb-public"}},
		{query: "web db tcp/5432", want: `yes
egress sg-web sgr-web-out1
ingress sg-db sgr-db-in2`},
		{query: "internet web tcp/80", want: `yes
public igw-main
ingress sg-web sgr-web-in2
route rtb-public 0.0.0.0/0`},
		{query: "internet 198.51.100.20 tcp/22", want: `yes
public igw-main
ingress sg-web sgr-web-in1
route rtb-public 0.0.0.0/0`},
		{query: "internet web tcp/8080", want: `no
ingress sg-web`, fix: []string{"aws ec2 authorize-security-group-ingress --group-id sg-web --protocol tcp --port 8080 --cidr 0.0.0.0/0"}},
		{query: "internet off tcp/80", want: `no
instance i-off`, fix: []string{"aws ec2 start-instances --instance-ids i-off"}},
		{query: "off web tcp/80", want: `no
instance i-off`, fix: []string{"aws ec2 start-instances --instance-ids i-off"}},
		{query: "internet mute tcp/80", want: `no
route rtb-private`, fix: []string{"aws ec2 replace-route-table-association --association-id rtbassoc-private --route-table-id rtb-public"}},
		{query: "internet 10.0.2.10 tcp/22", want: "no\npublic 10.0.2.10"},
		{query: "internet 198.51.100.77 tcp/22", want: "no\ninternet"},
		{query: "internet internet tcp/22", want: "no\ninternet"},
		{query: "198.51.100.1 strict udp/1500", want: `yes
public igw-main
ingress sg-strict sgr-strict-in2
route rtb-public 0.0.0.0/0`},
		{query: "198.51.100.9 strict udp/1500", want: "no\ningress sg-strict",
			fix: []string{"aws ec2 authorize-security-group-ingress --group-id sg-strict --protocol udp --port 1500 --cidr 198.51.100.9/32"}},
		{query: "192.0.2.9 web tcp/22", want: "no\ninternet"},
		// Between VPCs, all that is missing on both sides.
		{query: "web lone tcp/80", want: `no
public eni-lone`, fix: []string{"aws ec2 associate-address --network-interface-id eni-lone --allocation-id eipalloc-free"}},
		{query: "db lone tcp/80", want: `no
public eni-lone
route rtb-private
public eni-db`, fix: []string{
			"aws ec2 associate-address --network-interface-id eni-lone --allocation-id eipalloc-free",
			"aws ec2 replace-route-table-association --association-id rtbassoc-private --route-table-id rtb-public",
			"aws ec2 associate-address --network-interface-id eni-db --allocation-id $(aws ec2 allocate-address --domain vpc --query AllocationId --output text)"}},
		{query: "lone db tcp/5432", want: `no
public eni-db
public eni-lone
route rtb-private
ingress sg-db`, fix: []string{
			"aws ec2 associate-address --network-interface-id eni-db --allocation-id eipalloc-free",
			"aws ec2 associate-address --network-interface-id eni-lone --allocation-id $(aws ec2 allocate-address --domain vpc --query AllocationId --output text)",
			"aws ec2 authorize-security-group-ingress --group-id sg-db --protocol tcp --port 5432 --cidr 0.0.0.0/0",
			"aws ec2 replace-route-table-association --association-id rtbassoc-private --route-table-id rtb-public"}},
		// Inside the VPC.
		{query: "db web tcp/5432", want: "no\ningress sg-web",
			fix: []string{"aws ec2 authorize-security-group-ingress --group-id sg-web --protocol tcp --port 5432 --source-group sg-db"}},
		{query: "web 10.0.1.11 icmp", want: `yes
egress sg-web sgr-web-out1
ingress sg-web sgr-web-in3`},
		{query: "10.0.1.10 internet icmp", want: "no\nendpoint 10.0.1.10"}, // nothing tells which VPC: two have it
		{query: "10.0.1.10 strict icmp", want: "no\ningress sg-strict",
			fix: []string{"aws ec2 authorize-security-group-ingress --group-id sg-strict --protocol icmp --port -1 --source-group sg-web"}},
		{query: "strict web tcp/80", want: `yes
egress sg-db sgr-db-out1
ingress sg-web sgr-web-in2`},
		{query: "web web tcp/9", want: "yes\ntarget i-web"},
		{query: "web 10.0.2.99 tcp/22", want: "no\nendpoint 10.0.2.99"},
		{query: "web 10.0.2.30 tcp/22", want: "no\nendpoint 10.0.2.30"},
		{query: "web 10.9.9.9 tcp/22", want: "no\ngateway igw-main"},
		{query: "db 10.9.9.9 tcp/22", want: "no\nroute rtb-private"},
		{query: "web nobody tcp/22", want: "no\nendpoint i-nobody"},
		// The router itself.
		{query: "db 169.254.169.254 tcp/80", want: "yes\nrouter vpc-lab"},
		{query: "db 10.0.0.2 udp/53", want: "yes\nrouter vpc-lab"},
		{query: "db 169.254.169.253 tcp/53", want: "yes\nrouter vpc-lab"},
		{query: "db 10.0.1.1 icmp", want: "no\nrouter vpc-lab"},
		{query: "db 169.254.169.254 tcp/22", want: "no\nrouter vpc-lab"},
		{query: "far 10.0.0.2 udp/53", want: "no\nrouter vpc-nodns",
			fix: []string{"aws ec2 modify-vpc-attribute --enable-dns-support --vpc-id vpc-nodns"}},
		// Hairpin: the sender is the public address, so a group matches nobody.
		{query: "web 198.51.100.21 tcp/80", want: `yes
egress sg-web sgr-web-out1
route rtb-public 0.0.0.0/0
public igw-main
public igw-main
ingress sg-web sgr-web-in2
route rtb-public 0.0.0.0/0`},
		{query: "web 198.51.100.24 tcp/5432", want: "no\ningress sg-strict",
			fix: []string{"aws ec2 authorize-security-group-ingress --group-id sg-strict --protocol tcp --port 5432 --cidr 198.51.100.20/32"}},
		{query: "web far tcp/1", want: `yes
egress sg-web sgr-web-out1
route rtb-public 0.0.0.0/0
public igw-main
public igw-nodns
ingress sg-all sgr-all-in1
route rtb-nodns 0.0.0.0/0`},
		{query: "web lone tcp/1", want: "no\npublic eni-lone",
			fix: []string{"aws ec2 associate-address --network-interface-id eni-lone --allocation-id eipalloc-free"}},
		{query: "db far tcp/1", want: "no\nroute rtb-private\npublic eni-db",
			fix: []string{"aws ec2 replace-route-table-association --association-id rtbassoc-private --route-table-id rtb-public",
				"aws ec2 associate-address --network-interface-id eni-db --allocation-id eipalloc-free"}},
		{query: "box far tcp/1", want: "no\npublic eni-box",
			fix: []string{"aws ec2 associate-address --network-interface-id eni-box --allocation-id eipalloc-free"}},
		// The internet.
		{query: "web internet tcp/443", want: "no\ninternet",
			fix: []string{"aws ec2 create-tags --resources igw-main --tags Key=labsim:internet,Value=real"}},
		{query: "web 192.0.2.1 tcp/443", want: "no\ninternet"}, // the machine: no fix
		{query: "far internet tcp/443", want: `yes
egress sg-all sgr-all-out1
route rtb-nodns 0.0.0.0/0
public igw-nodns
internet`},
		{query: "far 203.0.113.10 udp/53", want: `yes
egress sg-all sgr-all-out1
route rtb-nodns 0.0.0.0/0
public igw-nodns
internet`},
		{query: "far 192.0.2.1 tcp/22", want: "no\ninternet"},
		{query: "far 198.18.4.20 tcp/80", want: "no\ninternet"}, // another site
		{query: "far 10.9.0.1 tcp/22", want: "no\ngateway igw-nodns"},
		{query: "far 198.51.100.1 tcp/22", want: "no\ngateway igw-nodns"},
		{query: "lone internet tcp/443", want: "no\npublic eni-lone",
			fix: []string{"aws ec2 associate-address --network-interface-id eni-lone --allocation-id eipalloc-free"}},
		{query: "web 198.51.100.1 tcp/22", want: "no\ngateway igw-main"},
		{query: "web 198.51.100.77 tcp/22", want: "no\ninternet"},
		{query: "db internet tcp/443", want: "no\nroute rtb-private\npublic eni-db\ninternet",
			fix: []string{"aws ec2 replace-route-table-association --association-id rtbassoc-private --route-table-id rtb-public",
				"aws ec2 associate-address --network-interface-id eni-db --allocation-id eipalloc-free",
				"aws ec2 create-tags --resources igw-main --tags Key=labsim:internet,Value=real"}},
		// Odd routes.
		{query: "odd db tcp/22", want: "no\neni eni-box\ninstance i-box",
			fix: []string{"aws ec2 modify-network-interface-attribute --no-source-dest-check --network-interface-id eni-box"}},
		{query: "mute odd tcp/22", want: "no\nroute rtb-odd 10.0.2.0/24",
			fix: []string{"aws ec2 delete-route --route-table-id rtb-odd --destination-cidr-block 10.0.2.0/24"}},
		{query: "odd internet tcp/1", want: "no\nroute rtb-odd 0.0.0.0/0\npublic eni-odd\ninternet",
			fix: []string{"aws ec2 replace-route --route-table-id rtb-odd --destination-cidr-block 0.0.0.0/0 --gateway-id igw-main",
				"aws ec2 associate-address --network-interface-id eni-odd --allocation-id eipalloc-free",
				"aws ec2 create-tags --resources igw-main --tags Key=labsim:internet,Value=real"}},
	} {
		t.Run(c.query, func(t *testing.T) {
			v := path.Trace(s, query(t, c.query))
			if d := cmp.Diff(c.want, decided(v)); d != "" {
				t.Errorf("verdict (-want +got):\n%s\n%s", d, describe(v))
			}
			var fix []string
			for _, f := range v.Fix {
				fix = append(fix, f.Commands...)
			}
			if d := cmp.Diff(c.fix, fix); d != "" {
				t.Errorf("fix (-want +got):\n%s\n%s", d, describe(v))
			}
		})
	}
}

// What a learner reads, once in full.
func TestTraceText(t *testing.T) {
	s := parse(t, lab)
	for q, want := range map[string]string{
		"internet db tcp/5432": `internet comes from the internet, from 198.51.100.1
public eni-db STOPS db has no public address: nothing outside can send to it
decisive route rtb-private the subnet of db can't answer: its route table private has no route to the internet gateway
decisive ingress sg-db no inbound rule of db's security groups (db) allows tcp/5432 from 198.51.100.1
`,
		"web db tcp/5432": `eni eni-web leaves web from 10.0.1.10 for 10.0.2.10
egress sg-web sgr-web-out1 security group web allows all traffic to 0.0.0.0/0
route rtb-public 10.0.0.0/16 10.0.2.10 is inside the VPC: the router takes it there
ingress sg-db sgr-db-in2 security group db allows tcp/5432 from members of web
target i-db arrives at db, tcp/5432
back egress eni-db security groups are stateful: the answer needs no rule
back route rtb-private 10.0.0.0/16 10.0.1.10 is inside the VPC: the router takes it there
back target i-web the answer is back at web
`,
	} {
		if d := cmp.Diff(want, describe(path.Trace(s, query(t, q)))); d != "" {
			t.Errorf("%s (-want +got):\n%s", q, d)
		}
	}
}

func TestVerdictSurvivesJSON(t *testing.T) {
	s := parse(t, lab)
	for _, q := range []string{"internet db tcp/5432", "web db tcp/5432", "odd db tcp/22"} {
		v := path.Trace(s, query(t, q))
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var back path.Verdict
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(korean(v), korean(back)); d != "" {
			t.Errorf("%s reads otherwise after a round trip:\n%s", q, d)
		}
	}
}

func TestParseTraffic(t *testing.T) {
	for in, want := range map[string]string{
		"tcp/5432": "6 5432", "UDP/53": "17 53", "icmp": "1 0", "ping": "1 0", "50": "50 0", "6/22": "6 22",
		"tcp": "error", "tcp/0": "error", "tcp/65536": "error", "icmp/8": "error", "": "error", "sctp/1": "error", "300": "error",
	} {
		p, n, err := path.ParseTraffic(in)
		got := fmt.Sprint(int(p), n)
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("ParseTraffic(%q) = %s, want %s", in, got, want)
		}
	}
}

func BenchmarkTrace1000(b *testing.B) {
	text := lab
	for i := range 1000 {
		text += fmt.Sprintf("instance n%d public 10.0.%d.%d groups=web\n", i, 100+i/200, 4+i%200)
	}
	s, err := worldtest.Parse(text)
	if err != nil {
		b.Fatal(err)
	}
	q := path.Query{From: path.Endpoint{Instance: "i-web"}, To: path.Endpoint{Instance: "i-db"}, Protocol: sim.ProtocolTCP, Port: 5432}
	for b.Loop() {
		path.Trace(s, q)
	}
}

func parse(t *testing.T, text string) *world.State {
	t.Helper()
	s, err := worldtest.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func query(t *testing.T, s string) path.Query {
	t.Helper()
	f := strings.Fields(s)
	p, port, err := path.ParseTraffic(f[2])
	if err != nil {
		t.Fatal(err)
	}
	return path.Query{From: endpoint(f[0]), To: endpoint(f[1]), Protocol: p, Port: port, Machine: machine}
}

func endpoint(s string) path.Endpoint {
	if s == "internet" {
		return path.Endpoint{Internet: true}
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return path.Endpoint{Address: a}
	}
	return path.Endpoint{Instance: sim.InstanceID("i-" + s)}
}

func decided(v path.Verdict) string {
	out := "no"
	if v.Allowed {
		out = "yes"
	}
	for _, h := range v.Decisive {
		out += "\n" + station(h)
	}
	return out
}

func station(h path.Hop) string {
	return strings.Join(strings.Fields(fmt.Sprint(h.Kind, " ", h.Resource, " ", h.Rule)), " ")
}

func korean(v path.Verdict) (out []string) {
	for _, h := range slices.Concat(v.Hops, v.Back, v.Decisive) {
		out = append(out, station(h)+" "+text.In(text.Korean, h.Text))
	}
	for _, f := range v.Fix {
		out = append(out, text.In(text.Korean, f.Text))
	}
	return out
}

// describe renders a verdict as the failure messages show it.
func describe(v path.Verdict) string {
	var b strings.Builder
	for _, h := range v.Hops {
		line(&b, "", h)
	}
	for _, h := range v.Back {
		line(&b, "back ", h)
	}
	if !v.Allowed {
		for _, h := range v.Decisive[1:] {
			h.Stops = false
			line(&b, "decisive ", h)
		}
	}
	return b.String()
}

func line(b *strings.Builder, prefix string, h path.Hop) {
	stops := ""
	if h.Stops {
		stops = "STOPS "
	}
	fmt.Fprintf(b, "%s%s %s%s\n", prefix, station(h), stops, h.Text)
}

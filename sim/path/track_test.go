package path_test

import (
	"testing"

	"labsim/sim/path"
)

// The groups of EC2's example (EC2 User Guide, "Security group connection tracking",
// "Example"), and what its rules leave open.
func TestTraceSaysWhatIsTracked(t *testing.T) {
	s := parse(t, `
vpc lab 10.0.0.0/16
igw main lab
table main lab main
route main 0.0.0.0/0 igw-main
subnet public lab 10.0.1.0/24
group example lab
ingress example tcp/22 198.51.100.1/32
ingress example tcp/80 0.0.0.0/0
ingress example icmp 0.0.0.0/0
egress example all 0.0.0.0/0
group shut lab
ingress shut tcp/80 0.0.0.0/0
group some lab
ingress some tcp/80 0.0.0.0/0
egress some tcp/443 0.0.0.0/0
egress some tcp/0-65535 10.0.0.0/16
group tcp lab
ingress tcp all 0.0.0.0/0
egress tcp tcp/0-65535 0.0.0.0/0
group narrow lab
ingress narrow tcp/80 198.51.100.1/32
ingress narrow tcp/443 198.51.100.1/32
instance example public 10.0.1.10 groups=example public=198.51.100.20
instance shut public 10.0.1.11 groups=shut public=198.51.100.21
instance some public 10.0.1.12 groups=some public=198.51.100.22
instance tcp public 10.0.1.13 groups=tcp public=198.51.100.23
instance both public 10.0.1.14 groups=narrow,example public=198.51.100.24
`)
	for _, c := range []struct{ query, entry, exit string }{
		{"internet example tcp/22", "sgr-example-in1", ""},
		{"internet example tcp/80", "sgr-example-in2", "sgr-example-out1"},
		{"internet example icmp", "sgr-example-in3", ""},
		{"internet shut tcp/80", "sgr-shut-in1", ""},
		{"internet some tcp/80", "sgr-some-in1", ""},
		{"internet tcp tcp/5432", "sgr-tcp-in1", "sgr-tcp-out1"},
		{"internet tcp udp/53", "sgr-tcp-in1", ""},
		{"internet tcp 50", "sgr-tcp-in1", ""},
		// The most permissive rule applies, of whatever group.
		{"internet both tcp/80", "sgr-example-in2", "sgr-example-out1"},
		{"internet both tcp/443", "sgr-narrow-in2", ""},
	} {
		v := path.Trace(s, query(t, c.query))
		if !v.Allowed {
			t.Errorf("%s:\n%s", c.query, describe(v))
			continue
		}
		want := "security groups are stateful: the answer needs no rule"
		if c.exit != "" {
			want = "rule " + c.exit + " lets the answer out: security groups don't track this connection, and it ends as soon as rule " + c.entry + " is removed"
		}
		for _, h := range v.Hops {
			if h.Kind == path.KindIngress && h.Rule != c.entry {
				t.Errorf("%s: rule %s lets it in, want %s", c.query, h.Rule, c.entry)
			}
		}
		if got := v.Back[0].Text.String(); got != want {
			t.Errorf("%s: %q, want %q", c.query, got, want)
		}
	}
}

//go:build linux

package linux

import (
	"fmt"
	"testing"

	"labsim/sim"
	"labsim/sim/dataplane"
)

// The groups of other let out little, those of web let in all: what doesn't arrive
// was refused on its way out.
func TestEgressRefused(t *testing.T) {
	t.Parallel()
	l := seedLab(t)
	v := l.vpc(vpcA)
	none, webs := &v.Groups[1], &v.Groups[2]
	toWeb := dataplane.Rule{ID: "sgr-0toweb", Protocol: sim.ProtocolTCP, FromPort: 80, ToPort: 80, Group: "sg-0web"}
	none.Ingress, none.Egress = all("sgr-0nonein"), []dataplane.Rule{toWeb, tcp("sgr-0todb", 5432, 5432, "10.0.2.0/24")}
	webs.Ingress = all("sgr-0webin")
	l.set()
	from := l.guests[other]
	l.serve(from, ":81")

	drops, arrived := l.counter(vpcA, dropEgress(other)), l.counter(vpcA, "sgr-0webin")
	l.closed(from, "10.0.1.10:81")   // another port
	l.closed(from, "10.0.1.10:5432") // another peer
	l.must(sendRaw(from, addr("10.0.1.10"), udpPacket(addr("10.0.1.12"), addr("10.0.1.10"), 80, "x")))
	if ping(from, "10.0.1.10", wait) {
		t.Error("ping from other to web answers, though no rule lets it out")
	}
	if n := l.counter(vpcA, dropEgress(other)) - drops; n < 4 {
		t.Errorf("%d drops on the way out of other are counted, want 4 or more", n)
	}
	if n := l.counter(vpcA, "sgr-0webin") - arrived; n != 0 {
		t.Errorf("%d packets got to the groups of web", n)
	}

	l.open(from, "10.0.1.10:80", "10.0.1.12")
	for _, rule := range []string{"sgr-0toweb", "sgr-0webin"} {
		if n := l.counter(vpcA, rule); n == 0 {
			t.Errorf("rule %s was not hit", rule)
		}
	}
	drops = l.counter(vpcA, dropEgress(other))
	l.open(l.guests[db], fmt.Sprint(l.eni(other).Addr, ":81"), "10.0.2.10") // an answer needs no rule
	if l.counter(vpcA, dropEgress(other)) != drops {
		t.Error("an answer of other is counted as refused")
	}
}

package probe

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labsim/sim"
	"labsim/sim/path"
	"labsim/sim/world/worldtest"
)

const lab = `
vpc a 10.0.0.0/16
igw a a internet
table a a main
route a 0.0.0.0/0 igw-a
table boxed a
route boxed 203.0.113.0/24 eni-box
subnet a1 a 10.0.1.0/24
subnet a2 a 10.0.2.0/24 table=boxed
group x a
ingress x tcp/80 0.0.0.0/0
egress x all 0.0.0.0/0
instance web a1 10.0.1.10 groups=x public=198.51.100.20
instance db a2 10.0.2.10 groups=x public=198.51.100.21
instance box a1 10.0.1.20 groups=x nocheck
`

func TestExpected(t *testing.T) {
	s, err := worldtest.Parse(lab)
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddr
	for _, c := range []struct {
		name string
		packet
		want expected
	}{
		{"within the VPC", packet{from: "i-web", query: path.Query{To: path.Endpoint{Instance: "i-db"}, Port: 80}},
			expected{[]string{"sgr-x-in1", "sgr-x-out1"}, "i-db", addr("10.0.1.10"), true}},
		{"refused", packet{from: "i-web", query: path.Query{To: path.Endpoint{Instance: "i-db"}, Port: 81}},
			expected{[]string{"drop:eni-db:ingress", "sgr-x-out1"}, "", addr("10.0.1.10"), false}},
		{"to the internet", packet{from: "i-web", query: path.Query{To: path.Endpoint{Internet: true}, Port: 80}},
			expected{[]string{"sgr-x-out1"}, atInternet, addr("198.51.100.20"), true}},
		{"from the machine", packet{query: path.Query{To: path.Endpoint{Instance: "i-web"}, Port: 80}},
			expected{[]string{"sgr-x-in1"}, "i-web", addr("198.51.100.1"), true}},
		{"without a way back", packet{query: path.Query{To: path.Endpoint{Instance: "i-db"}, Port: 80}},
			expected{[]string{"drop:no-route", "sgr-x-in1"}, "i-db", addr("198.51.100.1"), false}},
		{"by a middlebox", packet{from: "i-db", query: path.Query{To: path.Endpoint{Internet: true}, Port: 80}},
			expected{[]string{"sgr-x-in1", "sgr-x-out1"}, "i-box", addr("10.0.2.10"), false}},
		{"to the router", packet{from: "i-web", query: path.Query{To: path.Endpoint{Address: sim.MetadataAddr}, Port: 80}},
			expected{nil, atRouter, addr("10.0.1.10"), true}},
		{"forged", packet{from: "i-web", as: addr("10.0.1.20")}, expected{counters: []string{"drop:spoofed"}}},
	} {
		c.query.Protocol, c.query.From = sim.ProtocolTCP, path.Endpoint{Instance: c.from, Internet: c.from == ""}
		if d := cmp.Diff(c.want, c.judged(s).expected(s), cmp.AllowUnexported(expected{}), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}

// Whatever differs is found, and told apart: what was lost may be sent again.
func TestCompare(t *testing.T) {
	web, db := netip.MustParseAddr("10.0.1.10"), netip.MustParseAddr("10.0.2.10")
	e := expected{counters: []string{"out", "in"}, at: "i-db", from: web, answered: true}
	right := func() seen {
		return seen{raised: map[string]uint64{"out": 1, "in": 2}, arrivals: []arrival{{"i-db", web}}, answered: true}
	}
	if d := e.compare(right()); !d.none() {
		t.Errorf("what is as it should be differs: %q", d.lines())
	}
	for name, c := range map[string]struct {
		e      expected
		change func(*seen)
		want   difference
	}{
		"not counted":     {e, func(s *seen) { delete(s.raised, "in") }, difference{lost: []string{"counter in should have risen"}}},
		"counted":         {e, func(s *seen) { s.raised["drop"] = 3 }, difference{leaked: []string{"counter drop rose by 3"}}},
		"not arrived":     {e, func(s *seen) { s.arrivals = nil }, difference{lost: []string{"it should have arrived at i-db"}}},
		"arrived besides": {e, func(s *seen) { s.arrivals = append(s.arrivals, arrival{"i-x", web}) }, difference{leaked: []string{"it arrived at i-x, as from 10.0.1.10"}}},
		"as another": {e, func(s *seen) { s.arrivals[0].from = db },
			difference{leaked: []string{"it arrived at i-db, as from 10.0.2.10, and should as from 10.0.1.10"}}},
		"not answered": {e, func(s *seen) { s.answered = false }, difference{lost: []string{"it should have been answered"}}},
		"refused, and yet": {expected{counters: []string{"out", "in"}}, func(*seen) {},
			difference{leaked: []string{"it arrived at i-db, as from 10.0.1.10", "it was answered"}}},
	} {
		s := right()
		c.change(&s)
		if d := cmp.Diff(c.want, c.e.compare(s), cmp.AllowUnexported(difference{})); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

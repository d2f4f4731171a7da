//go:build linux

package linux

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/nftables/expr"

	"labsim/sim/dataplane"
)

// missing returns a name that the rule refers to and the table lacks, or "".
func missing(t table, r rule) string {
	for _, e := range r.exprs {
		switch e := e.(type) {
		case *expr.Lookup:
			if t.set(e.SetName) == nil {
				return "set " + e.SetName
			}
		case *expr.Dynset:
			if s := t.set(e.SetName); s == nil || !s.kind.dynamic {
				return "dynamic set " + e.SetName
			}
		case *expr.Verdict:
			if e.Chain != "" && t.chain(e.Chain) == nil {
				return "chain " + e.Chain
			}
		case *expr.Objref:
			if !slices.Contains(t.counters, e.Name) {
				return "counter " + e.Name
			}
		}
	}
	return ""
}

func TestMistranslated(t *testing.T) {
	owner := map[netip.Addr]netip.Addr{addr("198.51.100.20"): addr("10.0.1.10")}
	f := mistranslated(public, owner)
	ends := func(src, dst string) flowEnds { return flowEnds{addr(src), addr(dst)} }
	for _, c := range []struct {
		name        string
		orig, reply flowEnds
		want        bool
	}{
		{"in, right", ends("198.51.100.1", "198.51.100.20"), ends("10.0.1.10", "198.51.100.1"), false},
		{"in, to another owner", ends("198.51.100.1", "198.51.100.20"), ends("10.0.1.11", "198.51.100.1"), true},
		{"in, address given up", ends("198.51.100.1", "198.51.100.21"), ends("10.0.1.11", "198.51.100.1"), true},
		{"in, never translated", ends("198.51.100.1", "198.51.100.20"), ends("198.51.100.20", "198.51.100.1"), true},
		{"out, right", ends("10.0.1.10", "203.0.113.9"), ends("203.0.113.9", "198.51.100.20"), false},
		{"out, to a peer in the public range", ends("10.0.1.10", "198.51.100.30"), ends("198.51.100.30", "198.51.100.20"), false},
		{"out, as another address", ends("10.0.1.10", "203.0.113.9"), ends("203.0.113.9", "198.51.100.21"), true},
		{"out, address of somebody else now", ends("10.0.1.11", "203.0.113.9"), ends("203.0.113.9", "198.51.100.20"), true},
	} {
		if got := f(c.orig, c.reply); got != c.want {
			t.Errorf("%s: forgotten %v, want %v", c.name, got, c.want)
		}
	}
}

func TestHoldsAll(t *testing.T) {
	a, b := addr("10.0.1.10"), addr("10.0.1.11")
	p, q := addr("198.51.100.20"), addr("198.51.100.21")
	type owners = map[netip.Addr]netip.Addr
	for _, c := range []struct {
		name        string
		before, now owners
		want        bool
	}{
		{"one more", owners{p: a}, owners{p: a, q: b}, true},
		{"the first", owners{}, owners{p: a}, true},
		{"given up", owners{p: a, q: b}, owners{p: a}, false},
		{"another owner", owners{p: a}, owners{p: b}, false},
		{"one more, and another owner", owners{p: a}, owners{p: b, q: a}, false},
	} {
		if got := holdsAll(c.now, c.before); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestARPAnnouncement(t *testing.T) {
	mac := net.HardwareAddr{2, 0x42, 0xc6, 0x33, 0x64, 0xc1}
	want := []byte{
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0x42, 0xc6, 0x33, 0x64, 0xc1, 8, 6,
		0, 1, 8, 0, 6, 4, 0, 1,
		2, 0x42, 0xc6, 0x33, 0x64, 0xc1, 198, 51, 100, 20,
		0, 0, 0, 0, 0, 0, 198, 51, 100, 20,
	}
	if d := cmp.Diff(want, arpAnnouncement(mac, addr("198.51.100.20"))); d != "" {
		t.Error(d)
	}
}

func TestProblems(t *testing.T) {
	bad := net.ErrClosed
	err := errors.Join(about("vpc-1", errors.Join(about("eni-1", bad), bad)), nil, bad)
	want := []dataplane.Problem{
		{Resource: "eni-1", Message: bad.Error()},
		{Resource: "vpc-1", Message: bad.Error()},
		{Message: bad.Error()},
	}
	if d := cmp.Diff(want, Problems(err)); d != "" {
		t.Error(d)
	}
	if Problems(nil) != nil {
		t.Error("no error should be no problem")
	}
}

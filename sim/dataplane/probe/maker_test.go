package probe

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labsim/sim/path"
	"labsim/sim/world/worldtest"
)

// lives has a test look at worlds as a run makes them, without a machine.
func lives(t *testing.T, worlds int, look func(*maker, *drawer)) {
	for seed := range uint64(worlds) {
		m, err := newMaker(seed)
		if err != nil {
			t.Fatal(err)
		}
		d := &drawer{rand: rand.New(rand.NewPCG(seed, 1)), seen: map[string]int{}, before: m.View()}
		for range changes {
			look(m, d)
			m.change(8)
		}
	}
}

// A seed gives the same worlds, steps and packets again.
func TestSeedRepeats(t *testing.T) {
	run := func() (all []string) {
		lives(t, 3, func(m *maker, d *drawer) {
			w := m.View()
			all = append(append(all, text(w)), m.news()...)
			for range 5 {
				all = append(all, d.packet(w).String())
			}
		})
		return all
	}
	if d := cmp.Diff(run(), run()); d != "" {
		t.Errorf("the second run of the same seeds is another (-first +second):\n%s", d)
	}
}

// What a failure prints is that world: read again, it has the same verdicts.
func TestTextIsTheWorld(t *testing.T) {
	packets := 0
	lives(t, 20, func(m *maker, d *drawer) {
		w := m.View()
		names := ids(w)
		again, err := worldtest.Parse(text(w))
		if err != nil {
			t.Fatalf("%v\n%s", err, text(w))
		}
		for range 10 {
			p := d.packet(w)
			read := p.in(names).judged(again)
			packets++
			if d := cmp.Diff(stations(names.Replace, p), stations(ids(again).Replace, read)); d != "" {
				t.Fatalf("%s: in the world that was read again (-then +now):\n%s\n%s", names.Replace(p.String()), d, text(w))
			}
		}
	})
	if packets != 20*changes*10 {
		t.Errorf("%d packets were compared", packets)
	}
}

func stations(name func(string) string, p packet) (all []string) {
	for _, leg := range [][]path.Hop{p.verdict.Hops, p.verdict.Back} {
		for _, h := range leg {
			all = append(all, name(strings.Join([]string{string(h.Kind), h.Resource, h.Rule, h.Counter}, " ")))
		}
	}
	return all
}

// Every step is taken now and then, and packets end in every way that there is: what
// never happens proves nothing.
func TestMakerReachesAll(t *testing.T) {
	taken, ended := map[string]bool{}, map[string]bool{}
	lives(t, 20, func(m *maker, d *drawer) {
		for _, told := range m.news() {
			for _, s := range steps {
				if strings.HasPrefix(told, s.name+" ") {
					taken[s.name] = true
				}
			}
		}
		for range 10 {
			ended[d.packet(m.View()).end()] = true
		}
	})
	for _, s := range steps {
		if !taken[s.name] {
			t.Errorf("step %q is never taken", s.name)
		}
	}
	for _, end := range []string{"answered by target", "answered by internet", "answered by router", "answer stopped at route", "forged", "stopped at egress", "stopped at ingress",
		"stopped at endpoint", "stopped at eni", "stopped at gateway", "stopped at instance", "stopped at internet", "stopped at public", "stopped at route", "stopped at router"} {
		if !ended[end] {
			t.Errorf("no packet is %s", end)
		}
	}
}

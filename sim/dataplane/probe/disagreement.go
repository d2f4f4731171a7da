package probe

import (
	"fmt"
	"strings"

	"labsim/sim"
	"labsim/sim/path"
	"labsim/sim/world"
)

// A Disagreement is a packet whose fate was another than the verdict says.
type Disagreement struct {
	Seed       uint64   // of the world
	steps      []string // by which the world became what it is
	world      *world.State
	packet     packet
	seen       seen
	difference difference
	// small: the world is what of it the disagreement needs, on a fresh machine.
	small bool
}

// String writes all that is needed to find the fault, as short as it can be.
func (d *Disagreement) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "LABSIM_SEED=%d repeats it.\n\n%s\n", d.Seed, text(d.world))
	if !d.small {
		fmt.Fprintf(&b, "This world alone, on a fresh machine, didn't show it. Its last steps were:\n\t%s\n\n", strings.Join(d.steps, "\n\t"))
	}
	fmt.Fprintf(&b, "%s.", d.packet)
	if v := d.packet.verdict; len(v.Hops) > 0 {
		b.WriteString(" The evaluator says:\n")
		for _, h := range v.Hops {
			writeHop(&b, "", h)
		}
		for _, h := range v.Back {
			writeHop(&b, "back: ", h)
		}
	}
	fmt.Fprintf(&b, "\nThe kernel shows: %s\nThey disagree:\n\t%s\n", d.seen, strings.Join(d.difference.lines(), "\n\t"))
	return ids(d.world).Replace(b.String())
}

func writeHop(b *strings.Builder, prefix string, h path.Hop) {
	fmt.Fprintf(b, "\t%s%s %s: %s", prefix, h.Kind, h.Resource, h.Text)
	if h.Counter != "" {
		fmt.Fprintf(b, " [%s]", h.Counter)
	}
	b.WriteString("\n")
}

// in returns the packet for a world that was written by text and read again: there
// ids are made of names.
func (p packet) in(names *strings.Replacer) packet {
	p.from = sim.InstanceID(names.Replace(string(p.from)))
	p.query.From.Instance = sim.InstanceID(names.Replace(string(p.query.From.Instance)))
	p.query.To.Instance = sim.InstanceID(names.Replace(string(p.query.To.Instance)))
	return p
}

package graph

import (
	"strings"

	"labsim/sim"
)

// Text returns the picture for a terminal, boxes within boxes. say gives a text
// in the reader's language.
func Text(m Model, say func(sim.Text) string) string {
	names := map[string]string{"": say(sim.T("internet"))}
	for _, v := range m.VPCs {
		for _, s := range v.Subnets {
			for _, i := range s.Instances {
				names[i.ID] = i.name()
			}
		}
	}
	top := names[""] + "  " + sim.Printable(m.Internet)
	if m.Simulated {
		top += "  (" + say(sim.T("simulated")) + ")"
	}
	out := []string{top}
	for _, v := range m.VPCs {
		if v.Gateway != "" {
			out = append(out, "  │", say(sim.T("internet gateway"))+"  "+sim.Printable(v.Gateway), "  │")
		}
		out = append(out, box("VPC  "+v.title(), vpcLines(m, v, names, say))...)
	}
	return strings.Join(out, "\n") + "\n"
}

func vpcLines(m Model, v VPC, names map[string]string, say func(sim.Text) string) []string {
	var lines []string
	for _, s := range v.Subnets {
		var inner []string
		for _, i := range s.Instances {
			inner = append(inner, box(i.name(), instanceLines(m, i, names))...)
		}
		lines = append(lines, box(s.title(say)+"  "+sim.Printable(s.Zone), inner)...)
	}
	return lines
}

func instanceLines(m Model, i Instance, names map[string]string) []string {
	lines := i.facts()
	for _, v := range i.Volumes {
		name, size := v.facts()
		lines = append(lines, "▤ "+name+"  "+size)
	}
	for _, f := range m.Flows {
		if f.To == i.ID {
			lines = append(lines, "◀── "+f.label()+" ── "+names[f.From])
		}
	}
	return lines
}

// box draws a frame with a title around lines.
func box(title string, lines []string) []string {
	wide := sim.Columns(title) + 1
	for _, l := range lines {
		wide = max(wide, sim.Columns(l))
	}
	out := []string{"┌─ " + title + " " + strings.Repeat("─", wide-sim.Columns(title)-1) + "┐"}
	for _, l := range lines {
		out = append(out, "│ "+l+strings.Repeat(" ", wide-sim.Columns(l))+" │")
	}
	return append(out, "└"+strings.Repeat("─", wide+2)+"┘")
}

package graph

import (
	"slices"

	"labsim/sim"
)

// The picture goes from left to right, as a packet from the internet does:
// internet, gateway, public subnets, private subnets. All measures are in pixels.
const (
	margin    = 24
	padding   = 16  // between a frame and what is in it
	titleRow  = 28  // the row of a frame's title
	lineRow   = 18  // a line of small text
	gap       = 18  // between two things above each other
	gutter    = 120 // between two columns: room for arrows and their ports
	netWidth  = 150
	netHeight = 64
	gwWidth   = 150
	gwHeight  = 52
	volHeight = 46
	slot      = 20 // between the ends of two arrows at one edge
)

type rect struct{ x, y, w, h int }

func (r rect) right() int  { return r.x + r.w }
func (r rect) bottom() int { return r.y + r.h }
func (r rect) middle() int { return r.y + r.h/2 }

// layout is where everything is.
type layout struct {
	say       func(sim.Text) string
	w, h      int
	internet  rect
	vpcs      []rect
	gateways  []rect // zero where a VPC has none
	subnets   map[string]rect
	instances map[string]rect
	volumes   map[string]rect // by instance and volume
	column    map[string]int  // of instances: 0 public, 1 private
	arrows    []arrow
}

// arrow is a flow's way from edge to edge.
type arrow struct {
	Flow
	x1, y1, x2, y2 int
	back           bool // it ends at a right edge
	around         bool // both ends are at right edges
}

// textWidth estimates how wide a text of a font size is: no font is asked.
func textWidth(s string, size int) int { return sim.Columns(s)*size*6/10 + size/2 }

func place(m Model, say func(sim.Text) string) *layout {
	l := &layout{say: say, subnets: map[string]rect{}, instances: map[string]rect{}, volumes: map[string]rect{}, column: map[string]int{}}
	left := margin + netWidth + 60
	y := margin
	for _, v := range m.VPCs {
		r := l.placeVPC(m, v, left+gwWidth/2, y)
		l.vpcs = append(l.vpcs, r)
		g := rect{}
		if v.Gateway != "" {
			g = rect{left, r.middle() - gwHeight/2, gwWidth, gwHeight}
		}
		l.gateways = append(l.gateways, g)
		y = r.bottom() + gap
		l.w = max(l.w, r.right()+margin)
	}
	l.w = max(l.w, left+margin)
	l.h = max(y-gap, margin+netHeight) + margin
	l.internet = rect{margin, l.h/2 - netHeight/2, netWidth, netHeight}
	l.route(m)
	return l
}

// placeVPC puts a VPC's frame at x, y, and its subnets into two columns.
func (l *layout) placeVPC(m Model, v VPC, x, y int) rect {
	inner := x + padding
	if v.Gateway != "" {
		inner = x + gwWidth/2 + gutter
	}
	right, bottom := x+textWidth("VPC  "+v.title(), 14)+2*padding, y+titleRow+netHeight+padding
	for c, public := range []bool{true, false} {
		column := slices.DeleteFunc(slices.Clone(v.Subnets), func(s Subnet) bool { return s.Public != public })
		if len(column) == 0 {
			continue
		}
		wide, top := 0, y+titleRow+padding/2
		for _, s := range column {
			wide = max(wide, l.subnetWidth(s))
		}
		for _, s := range column {
			r := l.placeSubnet(m, s, inner, top, wide, c)
			top = r.bottom() + gap
		}
		right, bottom = max(right, inner+wide+padding), max(bottom, top-gap+padding)
		inner += wide + gutter
	}
	// arrows that go round within the last column need room beside it
	for _, f := range m.Flows {
		if f.From != "" && l.column[f.From] == l.column[f.To] {
			right = max(right, l.instances[f.To].right()+padding+gutter)
		}
	}
	return rect{x, y, right - x, bottom - y}
}

func (l *layout) subnetWidth(s Subnet) int {
	wide := max(textWidth(s.title(l.say), 13), textWidth(s.Zone, 12)) + 2*padding
	for _, i := range s.Instances {
		wide = max(wide, instanceWidth(i)+2*padding)
	}
	return wide
}

func instanceWidth(i Instance) int {
	wide := max(170, textWidth(i.name(), 15)+2*padding)
	for _, t := range i.facts() {
		wide = max(wide, textWidth(t, 12)+2*padding)
	}
	for _, v := range i.Volumes {
		name, size := v.facts()
		wide = max(wide, textWidth(name, 12)+2*padding, textWidth(size, 12)+2*padding)
	}
	return wide
}

func (l *layout) placeSubnet(m Model, s Subnet, x, y, wide, column int) rect {
	top := y + titleRow + lineRow
	for _, i := range s.Instances {
		ends := 0
		for _, f := range m.Flows {
			if f.From == i.ID || f.To == i.ID {
				ends++
			}
		}
		r := rect{x + padding, top, wide - 2*padding, max(74, slot*(ends+1))}
		l.instances[i.ID], l.column[i.ID] = r, column
		top = r.bottom()
		for _, v := range i.Volumes {
			top += gap
			l.volumes[i.ID+" "+v.ID] = rect{r.x + padding, top, r.w - 2*padding, volHeight}
			top += volHeight
		}
		top += gap
	}
	r := rect{x, y, wide, max(top-gap+padding, y+titleRow+lineRow+padding) - y}
	l.subnets[s.ID] = r
	return r
}

// route gives every arrow its ends; those that share an edge share it evenly, in
// the order of where they come from, so that they cross as little as can be.
func (l *layout) route(m Model) {
	type edge struct {
		of    string
		right bool
	}
	type end struct {
		y     *int
		other int
	}
	ends := map[edge][]end{}
	l.arrows = make([]arrow, 0, len(m.Flows)) // ends point into it: it must not move
	for _, f := range m.Flows {
		to, ok := l.instances[f.To]
		if !ok {
			continue
		}
		a := arrow{Flow: f, x2: to.x}
		from := l.gatewayOf(m, f.To)
		if f.From != "" {
			if from, ok = l.instances[f.From]; !ok {
				continue
			}
			a.around = l.column[f.From] == l.column[f.To]
			a.back = a.around || l.column[f.From] > l.column[f.To]
		}
		a.x1, a.y1 = from.right(), from.middle()
		if a.back {
			a.x2 = to.right()
			if !a.around {
				a.x1 = from.x
			}
		}
		l.arrows = append(l.arrows, a)
		p := &l.arrows[len(l.arrows)-1]
		if f.From != "" {
			ends[edge{f.From, a.x1 == from.right()}] = append(ends[edge{f.From, a.x1 == from.right()}], end{&p.y1, to.middle()})
		}
		ends[edge{f.To, a.back}] = append(ends[edge{f.To, a.back}], end{&p.y2, from.middle()})
	}
	for e, list := range ends {
		slices.SortStableFunc(list, func(a, b end) int { return a.other - b.other })
		r := l.instances[e.of]
		for n, x := range list {
			*x.y = r.y + r.h*(n+1)/(len(list)+1)
		}
	}
}

// gatewayOf is where the internet's packets to an instance come in.
func (l *layout) gatewayOf(m Model, instance string) rect {
	for n, v := range m.VPCs {
		for _, s := range v.Subnets {
			if slices.ContainsFunc(s.Instances, func(i Instance) bool { return i.ID == instance }) && v.Gateway != "" {
				return l.gateways[n]
			}
		}
	}
	return l.internet
}

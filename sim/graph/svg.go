package graph

import (
	"fmt"
	"html"
	"strings"

	"labsim/sim"
)

const style = `
text { font-family: "DejaVu Sans", "Noto Sans KR", "NanumGothic", "Malgun Gothic", "Apple SD Gothic Neo", sans-serif; font-size: 12px; fill: #46505c }
.title { font-size: 13px; font-weight: bold }
.name { font-size: 15px; font-weight: bold; fill: #16191f }
.port { font-size: 12px; font-weight: bold; fill: #16191f; paint-order: stroke; stroke: #fff; stroke-width: 4px; stroke-linejoin: round }
.paper { fill: #fff }
.net { fill: #eef1f4; stroke: #6b7785; stroke-width: 1.5 }
.vpc { fill: #faf8fd; stroke: #8c4fff; stroke-width: 2 }
.vpc-title { font-size: 14px; font-weight: bold; fill: #6b35d1 }
.gateway { fill: #8c4fff }
.on-gateway { fill: #fff; text-anchor: middle }
.public { fill: #f0f7e8; stroke: #7aa116; stroke-width: 1.5 }
.public-title { fill: #4f6b0b }
.private { fill: #e6f5f6; stroke: #00a4a6; stroke-width: 1.5 }
.private-title { fill: #00696b }
.instance { fill: #fff; stroke: #ed7100; stroke-width: 2 }
.volume { fill: #fff; stroke: #3f8624; stroke-width: 1.5 }
.wire { fill: none; stroke: #6b7785; stroke-width: 2 }
.flow { fill: none; stroke: #16191f; stroke-width: 1.6; marker-end: url(#tip) }
.stopped { stroke-dasharray: 5 4 }
`

// SVG returns the picture as a document of its own. say gives a text in the
// reader's language.
func SVG(m Model, say func(sim.Text) string) string {
	l := place(m, say)
	p := &pen{}
	p.put(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">`, l.w, l.h, l.w, l.h)
	p.put(`<style>%s</style>`, style)
	p.put(`<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 1 10 5 0 9z" fill="#16191f"/></marker></defs>`)
	p.rect(rect{0, 0, l.w, l.h}, 0, "paper", "")
	for n, v := range m.VPCs {
		p.vpc(l, l.vpcs[n], v)
	}
	for n, g := range l.gateways {
		if g.w > 0 {
			p.gateway(l, g, m.VPCs[n].Gateway)
		}
	}
	p.rect(l.internet, 32, "net", "")
	p.text(l.internet.x+l.internet.w/2, l.internet.middle()-4, "title", "middle", say(sim.T("internet")))
	p.text(l.internet.x+l.internet.w/2, l.internet.middle()+14, "", "middle", sim.Printable(m.Internet))
	for _, a := range l.arrows {
		p.arrow(a)
	}
	if m.Simulated {
		p.text(margin, l.h-8, "note", "start", say(sim.T("simulated")))
	}
	p.put("</svg>")
	return p.String()
}

// pen writes one element a line.
type pen struct{ strings.Builder }

func (p *pen) put(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

// rect draws a box; its title is what a pointer on it shows.
func (p *pen) rect(r rect, round int, class, title string) {
	if title != "" {
		title = "<title>" + html.EscapeString(sim.Printable(title)) + "</title>"
	}
	p.put(`<rect x="%d" y="%d" width="%d" height="%d" rx="%d" class="%s">%s</rect>`, r.x, r.y, r.w, r.h, round, class, title)
}

func (p *pen) text(x, y int, class, anchor, s string) {
	p.put(`<text x="%d" y="%d" class="%s" text-anchor="%s">%s</text>`, x, y, class, anchor, html.EscapeString(s))
}

func (p *pen) vpc(l *layout, r rect, v VPC) {
	p.rect(r, 6, "vpc", v.ID)
	p.text(r.x+padding, r.y+20, "vpc-title", "start", join("VPC", v.Name, v.CIDR))
	for _, s := range v.Subnets {
		class := "private"
		if s.Public {
			class = "public"
		}
		at := l.subnets[s.ID]
		p.rect(at, 4, class, s.ID)
		p.text(at.x+padding, at.y+20, "title "+class+"-title", "start", s.title(l.say))
		p.text(at.x+padding, at.y+37, "", "start", sim.Printable(s.Zone))
		for _, i := range s.Instances {
			p.instance(l, i)
		}
	}
}

func (p *pen) gateway(l *layout, g rect, id string) {
	p.put(`<path d="M%d %d H%d" class="wire"/>`, l.internet.right(), l.internet.middle(), (l.internet.right()+g.x)/2)
	p.put(`<path d="M%d %d V%d H%d" class="wire"/>`, (l.internet.right()+g.x)/2, l.internet.middle(), g.middle(), g.x)
	p.rect(g, 8, "gateway", id)
	p.text(g.x+g.w/2, g.middle()-3, "title on-gateway", "middle", l.say(sim.T("internet gateway")))
	p.text(g.x+g.w/2, g.middle()+14, "on-gateway", "middle", short(id))
}

// short is enough of an id to tell it from others; the whole is in the title.
func short(id string) string {
	if len(id) > 10 {
		return sim.Printable(id[:10]) + "…"
	}
	return sim.Printable(id)
}

func (p *pen) instance(l *layout, i Instance) {
	r := l.instances[i.ID]
	class := "instance"
	if i.State != string(sim.StateRunning) {
		class += " stopped"
	}
	p.rect(r, 6, class, i.ID)
	y := r.middle() - 16
	p.text(r.x+r.w/2, y, "name", "middle", i.name())
	for n, t := range i.facts() {
		p.text(r.x+r.w/2, y+20+n*lineRow, "", "middle", t)
	}
	from := r.bottom()
	for _, v := range i.Volumes {
		at := l.volumes[i.ID+" "+v.ID]
		p.put(`<path d="M%d %d V%d" class="wire"/>`, at.x+at.w/2, from, at.y)
		p.volume(at, v)
		from = at.bottom()
	}
}

// volume draws a cylinder.
func (p *pen) volume(r rect, v Volume) {
	const lid = 6
	p.put(`<path d="M%d %d V%d A%d %d 0 0 0 %d %d V%d A%d %d 0 0 0 %d %d A%d %d 0 0 0 %d %d" class="volume"><title>%s</title></path>`,
		r.x, r.y+lid, r.bottom()-lid, r.w/2, lid, r.right(), r.bottom()-lid, r.y+lid,
		r.w/2, lid, r.x, r.y+lid, r.w/2, lid, r.right(), r.y+lid, html.EscapeString(sim.Printable(v.ID)))
	name, size := v.facts()
	p.text(r.x+r.w/2, r.y+25, "", "middle", name)
	p.text(r.x+r.w/2, r.y+39, "", "middle", size)
}

// arrow draws a flow, with its ports where it arrives.
func (p *pen) arrow(a arrow) {
	bend, x, anchor := (a.x2-a.x1)/2, a.x2-12, "end"
	c1, c2 := a.x1+bend, a.x2-bend
	if a.back {
		x, anchor = a.x2+12, "start"
	}
	if a.around {
		c1 = max(a.x1, a.x2) + gutter/2
		c2 = c1
	}
	p.put(`<path d="M%d %d C%d %d %d %d %d %d" class="flow"/>`, a.x1, a.y1, c1, a.y1, c2, a.y2, a.x2, a.y2)
	p.text(x, a.y2-6, "port", anchor, a.label())
}

package exercise

import (
	"net/netip"
	"strings"

	"labsim/sim"
	"labsim/sim/path"
)

// internet is the end of a packet's way that is no role.
const internet = "internet"

// flow makes the packet of a check. A finding says what it lacks; both nil: the
// check has no packet.
func (a *Attempt) flow(c Cast, x *Check) (*Flow, *Finding) {
	p := x.Packet
	if h := x.HTTP; h != nil {
		p = &Packet{From: internet, To: h.To, Protocol: sim.ProtocolTCP, Port: h.Port, Open: true}
	}
	if p == nil {
		return nil, nil
	}
	f := &Flow{Query: path.Query{Protocol: p.Protocol, Port: p.Port}, Open: p.Open}
	finding := a.sender(c, f, p.From)
	if finding == nil {
		finding = a.receiver(c, f, p.To)
	}
	if finding != nil {
		return nil, finding
	}
	return f, nil
}

// control finds what answers the sender of a packet that is to get no answer.
func (a *Attempt) control(f *Flow) {
	if f.Open {
		return
	}
	for _, s := range a.Steps {
		for i := range s.Checks {
			o, finding := a.flow(a.Cast, &s.Checks[i])
			if finding == nil && o != nil && o.Open && o.From == f.From && o.Query.Protocol == sim.ProtocolTCP {
				f.Control = netip.AddrPortFrom(o.Addr, uint16(o.Query.Port))
				return
			}
		}
	}
}

func (a *Attempt) sender(c Cast, f *Flow, word string) *Finding {
	if word == internet {
		f.Query.From = path.Endpoint{Internet: true}
		return nil
	}
	role := strings.TrimPrefix(word, "$")
	if f.From = c[role]; f.From == nil {
		return a.absent(c, role)
	}
	f.Query.From = path.Endpoint{Instance: sim.InstanceID(f.From.ID)}
	return nil
}

// receiver finds the address that is meant: an instance's public one for who
// comes from the internet, where it has one, else its private one.
func (a *Attempt) receiver(c Cast, f *Flow, word string) *Finding {
	if addr, err := netip.ParseAddr(word); err == nil {
		f.Addr, f.Query.To = addr, path.Endpoint{Address: addr}
		return nil
	}
	role, attribute, _ := strings.Cut(strings.TrimPrefix(word, "$"), ".")
	r := c[role]
	if r == nil {
		return a.absent(c, role)
	}
	f.To = r
	value := r.Get(attribute)
	switch public := r.Get("public-ip"); {
	case attribute != "":
		if value == "" {
			return &Finding{Why: sim.T("%s has no %s", r.Label(), attributeText(attribute))}
		}
	case f.Query.From.Internet && public != "":
		value = public
	default:
		value = r.Get("private-ip")
		f.Query.To = path.Endpoint{Instance: sim.InstanceID(r.ID)}
	}
	addr, err := netip.ParseAddr(value)
	if err != nil {
		return &Finding{Why: sim.T("%s has no %s", r.Label(), attributeText("private-ip"))}
	}
	f.Addr = addr
	if f.Query.To.Instance == "" {
		f.Query.To = path.Endpoint{Address: addr}
	}
	return nil
}

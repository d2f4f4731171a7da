package nets

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"labsim/sim/guest/applet"
)

// ip shows addresses, links, routes and neighbours, as iproute2 prints them.
// Nothing can be changed: the network belongs to the VPC.
func ip(c *applet.Call) int {
	f := ipFlags{family: netlink.FAMILY_ALL}
	args := c.Args
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		switch args[0] {
		case "-br", "-brief":
			f.brief = true
		case "-4":
			f.family = netlink.FAMILY_V4
		case "-6":
			f.family = netlink.FAMILY_V6
		case "-o", "-oneline", "-c", "-color", "-d", "-s", "-h":
			f.oneLine = f.oneLine || strings.HasPrefix(args[0], "-o")
		case "-V":
			fmt.Fprintln(c.Out, "ip utility, labsim")
			return 0
		default:
			return c.Fail("unknown option %q", args[0])
		}
		args = args[1:]
	}
	if len(args) == 0 {
		return c.Usage("[-4|-6] [-br] address|link|route|neigh [show [dev NAME]]")
	}
	object, rest := args[0], args[1:]
	verb := "show"
	if len(rest) > 0 {
		verb, rest = rest[0], rest[1:]
	}
	for _, no := range []string{"add", "del", "delete", "replace", "change", "set", "flush", "append"} {
		if verb == no {
			return c.Fail("%s %s: not permitted: an instance's network belongs to its VPC; change it by the EC2 API", object, verb)
		}
	}
	if verb != "get" && !abbreviates(verb, "show") && !abbreviates(verb, "list") && verb != "ls" {
		rest = append([]string{verb}, rest...)
	}
	for i, a := range rest {
		if a == "dev" && i+1 < len(rest) {
			f.dev = rest[i+1]
		}
	}
	var err error
	switch {
	case abbreviates(object, "address"), object == "addr":
		f.name(rest)
		err = f.addresses(c)
	case abbreviates(object, "link"):
		f.name(rest)
		err = f.links(c)
	case abbreviates(object, "route") && verb == "get" && len(rest) > 0:
		err = f.routeTo(c, rest[0])
	case abbreviates(object, "route"):
		err = f.routes(c)
	case abbreviates(object, "neighbour"), abbreviates(object, "neighbor"):
		err = f.neighbours(c)
	default:
		return c.Fail("object %q is unknown, try address, link, route or neigh", object)
	}
	if err != nil {
		return c.Fail("%v", err)
	}
	return 0
}

func abbreviates(short, long string) bool { return short != "" && strings.HasPrefix(long, short) }

type ipFlags struct {
	family  int
	brief   bool
	oneLine bool
	dev     string
}

// name takes `ip a show eth0` for `ip a show dev eth0`.
func (f *ipFlags) name(rest []string) {
	if f.dev == "" && len(rest) == 1 {
		f.dev = rest[0]
	}
}

func (f ipFlags) each(g func(l netlink.Link) error) error {
	all, err := netlink.LinkList()
	if err != nil {
		return err
	}
	found := false
	for _, l := range all {
		if f.dev != "" && l.Attrs().Name != f.dev {
			continue
		}
		found = true
		if err := g(l); err != nil {
			return err
		}
	}
	if !found && f.dev != "" {
		return fmt.Errorf("device %q does not exist", f.dev)
	}
	return nil
}

func (f ipFlags) addresses(c *applet.Call) error {
	return f.each(func(l netlink.Link) error {
		list, err := netlink.AddrList(l, f.family)
		if err != nil {
			return err
		}
		a := l.Attrs()
		if f.brief {
			var texts []string
			for _, x := range list {
				texts = append(texts, x.IPNet.String())
			}
			fmt.Fprintf(c.Out, "%-16s %-14s %s \n", linkName(l), state(a), strings.Join(texts, " "))
			return nil
		}
		if !f.oneLine {
			if f.family == netlink.FAMILY_ALL {
				printLink(c, l)
			} else if len(list) > 0 {
				fmt.Fprintln(c.Out, linkHead(l))
			}
		}
		for _, x := range list {
			f.printAddress(c, a, x)
		}
		return nil
	})
}

func (f ipFlags) printAddress(c *applet.Call, a *netlink.LinkAttrs, x netlink.Addr) {
	family := "inet"
	if x.IP.To4() == nil {
		family = "inet6"
	}
	brd := ""
	if len(x.Broadcast) > 0 && !x.Broadcast.IsUnspecified() {
		brd = " brd " + x.Broadcast.String()
	}
	scope := netlink.Scope(x.Scope).String()
	if scope == "universe" {
		scope = "global"
	}
	label := ""
	if x.Label != "" {
		label = " " + x.Label
	}
	if f.oneLine {
		fmt.Fprintf(c.Out, "%d: %s    %s %s%s scope %s%s\\       valid_lft forever preferred_lft forever\n", a.Index, a.Name, family, x.IPNet, brd, scope, label)
		return
	}
	fmt.Fprintf(c.Out, "    %s %s%s scope %s%s\n       valid_lft forever preferred_lft forever\n", family, x.IPNet, brd, scope, label)
}

func (f ipFlags) links(c *applet.Call) error {
	return f.each(func(l netlink.Link) error {
		if f.brief {
			a := l.Attrs()
			fmt.Fprintf(c.Out, "%-16s %-14s %s <%s> \n", linkName(l), state(a), a.HardwareAddr, linkFlags(a))
			return nil
		}
		printLink(c, l)
		return nil
	})
}

func printLink(c *applet.Call, l netlink.Link) {
	a := l.Attrs()
	kind, brd := "ether", "ff:ff:ff:ff:ff:ff"
	mac := a.HardwareAddr
	if a.Flags&net.FlagLoopback != 0 {
		kind, brd = "loopback", "00:00:00:00:00:00"
		mac = make(net.HardwareAddr, 6)
	}
	fmt.Fprintf(c.Out, "%s\n    link/%s %s brd %s\n", linkHead(l), kind, mac, brd)
}

func linkHead(l netlink.Link) string {
	a := l.Attrs()
	qdisc := "noqueue"
	if q, err := netlink.QdiscList(l); err == nil && len(q) > 0 {
		qdisc = q[0].Type()
	}
	return fmt.Sprintf("%d: %s: <%s> mtu %d qdisc %s state %s group default qlen %d", a.Index, linkName(l), linkFlags(a), a.MTU, qdisc, state(a), a.TxQLen)
}

func linkName(l netlink.Link) string {
	a := l.Attrs()
	if l.Type() == "veth" && a.ParentIndex > 0 {
		return fmt.Sprintf("%s@if%d", a.Name, a.ParentIndex)
	}
	return a.Name
}

func state(a *netlink.LinkAttrs) string { return strings.ToUpper(a.OperState.String()) }

func linkFlags(a *netlink.LinkAttrs) string {
	var out []string
	for _, f := range []struct {
		bit  uint32
		name string
	}{{unix.IFF_LOOPBACK, "LOOPBACK"}, {unix.IFF_BROADCAST, "BROADCAST"}, {unix.IFF_POINTOPOINT, "POINTOPOINT"}, {unix.IFF_MULTICAST, "MULTICAST"},
		{unix.IFF_NOARP, "NOARP"}, {unix.IFF_PROMISC, "PROMISC"}, {unix.IFF_UP, "UP"}, {unix.IFF_LOWER_UP, "LOWER_UP"}} {
		if a.RawFlags&f.bit != 0 {
			out = append(out, f.name)
		}
	}
	return strings.Join(out, ",")
}

func (f ipFlags) routes(c *applet.Call) error {
	family := f.family
	if family == netlink.FAMILY_ALL {
		family = netlink.FAMILY_V4
	}
	list, err := netlink.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return err
	}
	slices.SortStableFunc(list, func(a, b netlink.Route) int { return prefixLen(a) - prefixLen(b) })
	for _, r := range list {
		text, dev := routeText(r)
		if f.dev == "" || dev == f.dev {
			fmt.Fprintln(c.Out, text)
		}
	}
	return nil
}

func prefixLen(r netlink.Route) int {
	if r.Dst == nil {
		return 0
	}
	n, _ := r.Dst.Mask.Size()
	return n
}

func routeText(r netlink.Route) (text, dev string) {
	to := "default"
	if prefixLen(r) > 0 {
		to = r.Dst.String()
		if ones, bits := r.Dst.Mask.Size(); ones == bits {
			to = r.Dst.IP.String()
		}
	}
	text = to
	if r.Gw != nil {
		text += " via " + r.Gw.String()
	}
	if l, err := netlink.LinkByIndex(r.LinkIndex); err == nil {
		dev = l.Attrs().Name
		text += " dev " + dev
	}
	if r.Protocol != unix.RTPROT_BOOT && r.Protocol != 0 {
		text += " proto " + r.Protocol.String()
	}
	if r.Scope == netlink.SCOPE_LINK {
		text += " scope link"
	}
	if r.Src != nil {
		text += " src " + r.Src.String()
	}
	if r.Priority != 0 {
		text += fmt.Sprint(" metric ", r.Priority)
	}
	return text + " ", dev
}

func (f ipFlags) routeTo(c *applet.Call, to string) error {
	addr := net.ParseIP(to)
	if addr == nil {
		return fmt.Errorf("an inet prefix is expected rather than %q", to)
	}
	list, err := netlink.RouteGet(addr)
	if err != nil {
		return fmt.Errorf("RTNETLINK answers: %w", err)
	}
	for _, r := range list {
		r.Protocol, r.Scope = 0, 0
		text, _ := routeText(r)
		fmt.Fprintf(c.Out, "%suid %d \n    cache \n", text, unix.Getuid())
	}
	return nil
}

func (f ipFlags) neighbours(c *applet.Call) error {
	names := map[int]string{}
	links, err := netlink.LinkList()
	if err != nil {
		return err
	}
	for _, l := range links {
		names[l.Attrs().Index] = l.Attrs().Name
	}
	list, err := netlink.NeighList(0, f.family)
	if err != nil {
		return err
	}
	states := map[int]string{unix.NUD_REACHABLE: "REACHABLE", unix.NUD_STALE: "STALE", unix.NUD_DELAY: "DELAY", unix.NUD_PROBE: "PROBE",
		unix.NUD_FAILED: "FAILED", unix.NUD_PERMANENT: "PERMANENT", unix.NUD_INCOMPLETE: "INCOMPLETE", unix.NUD_NOARP: "NOARP"}
	for _, n := range list {
		if f.dev != "" && names[n.LinkIndex] != f.dev || n.State == unix.NUD_NOARP {
			continue
		}
		mac := ""
		if len(n.HardwareAddr) > 0 {
			mac = " lladdr " + n.HardwareAddr.String()
		}
		fmt.Fprintf(c.Out, "%s dev %s%s %s\n", n.IP, names[n.LinkIndex], mac, states[n.State])
	}
	return nil
}

func ifconfig(c *applet.Call) int {
	c.Name, c.Args = "ip", append([]string{"address"}, c.Args...)
	return ip(c)
}

func routeTable(c *applet.Call) int {
	c.Name, c.Args = "ip", []string{"route"}
	return ip(c)
}

func arp(c *applet.Call) int {
	c.Name, c.Args = "ip", []string{"-4", "neigh"}
	return ip(c)
}

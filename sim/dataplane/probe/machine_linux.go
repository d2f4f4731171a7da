package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"labsim/sim"
	"labsim/sim/dataplane"
	"labsim/sim/dataplane/linux"
	"labsim/sim/world"
)

const site sim.Site = "t-probe"

// A machine is what a node is, in namespaces: the engine with the bridge of the
// internet and a network beyond, the edges, the guests, and the driver.
type machine struct {
	d      *linux.Driver
	pins   *pins
	engine *space
	beyond *space // the internet: stranger
	edges  map[sim.InternetGatewayID]edge
	plugs  int // legs that the bridge ever had
	guests map[sim.ENIID]guest
	config *dataplane.Config
	// ears hear what arrives, by who receives it; routers only answer.
	ears    map[string]*ears
	routers []*ears
}

type edge struct {
	*space
	port string // on the bridge
}

// guest is one life of an instance: from a start to the next stop.
type guest struct {
	*space
	instance sim.InstanceID
	boot     int
	router   netip.Addr // of its subnet
	vpc      sim.VPCID
}

// newMachine makes one that runs nothing.
func newMachine() (m *machine, err error) {
	m = &machine{pins: &pins{all: map[string]netns.NsHandle{}}, edges: map[sim.InternetGatewayID]edge{}, guests: map[sim.ENIID]guest{}, ears: map[string]*ears{}}
	defer func() {
		if err != nil {
			m.close()
		}
	}()
	if m.engine, err = newSpace(); err != nil {
		return nil, err
	}
	if m.beyond, err = newSpace(); err != nil {
		return nil, err
	}
	if err := m.wire(); err != nil {
		return nil, err
	}
	return m, m.restart()
}

// wire is the engine's network. Docker translates what leaves the bridge for the
// internet; here the internet knows the way back.
func (m *machine) wire() error {
	a := netlink.NewLinkAttrs()
	a.Name = site.Bridge()
	if err := m.engine.handle.LinkAdd(&netlink.Bridge{LinkAttrs: a}); err != nil {
		return fmt.Errorf("make bridge: %w", err)
	}
	err := errors.Join(
		m.engine.set(append(still, [2]string{"ipv4/ip_forward", "1"})...), m.beyond.set(still...),
		m.engine.up(site.Bridge(), sim.AddrAt(public, 1).String()+"/24"),
		m.engine.pair("beyond", m.beyond, ""))
	if err != nil {
		return err
	}
	if err := errors.Join(m.engine.up("beyond", machineAddr.String()+"/24"), m.beyond.up("eth0", stranger.String()+"/24")); err != nil {
		return err
	}
	if err := m.beyond.handle.RouteAdd(&netlink.Route{Dst: ipNet(public), Gw: machineAddr.AsSlice()}); err != nil {
		return err
	}
	return errors.Join(m.listen(atMachine, m.engine, site.Bridge()), m.listen(atInternet, m.beyond, "eth0"))
}

// still are settings of a namespace that says nothing by itself, and nothing twice.
var still = [][2]string{
	{"ipv6/conf/all/disable_ipv6", "1"}, {"ipv6/conf/default/disable_ipv6", "1"},
	{"ipv4/conf/all/rp_filter", "0"}, {"ipv4/conf/default/rp_filter", "0"}, {"ipv4/conf/all/send_redirects", "0"},
	{"ipv4/ip_forward", "0"}, {"ipv4/tcp_synack_retries", "0"},
}

// listen opens ears on all ports.
func (m *machine) listen(who string, s *space, link string) error {
	return s.do(func() (err error) {
		m.ears[who], err = listen(link, at(netip.IPv4Unspecified(), tcpPorts), at(netip.IPv4Unspecified(), udpPorts))
		return err
	})
}

func at(a netip.Addr, ports []int) (all []netip.AddrPort) {
	for _, p := range ports {
		all = append(all, netip.AddrPortFrom(a, uint16(p)))
	}
	return all
}

// restart replaces the driver by a new one, as when the agent starts again.
func (m *machine) restart() (err error) {
	if m.d != nil {
		m.d.Close()
	}
	m.d, err = linux.New(linux.Options{Site: site, Pins: m.pins,
		HostNS: func() (netns.NsHandle, error) { return m.engine.open() }})
	return err
}

// set makes the machine what the world says, in the order of the control plane: what
// no longer runs leaves; the config; what is to run joins.
func (m *machine) set(s *world.State) error {
	err := errors.Join(m.forgetQuestions(), m.stop(s), m.plugEdges(s))
	if err != nil {
		return err
	}
	pids := map[sim.InternetGatewayID]int{}
	for id, e := range m.edges {
		pids[id] = e.tid
	}
	m.config = dataplane.Compile(s, dataplane.CompileOptions{Site: site, Region: "us-east-1", Public: public, EdgePIDs: pids})
	if err := m.d.Set(context.Background(), m.config); err != nil {
		return fmt.Errorf("set: %w", err)
	}
	return errors.Join(m.unplugEdges(s), m.start(s), m.answerInRouters())
}

// forgetQuestions drops what waits for the answer to an ARP request: it must not
// leave later, when somebody has the address.
func (m *machine) forgetQuestions() error {
	spaces := []*space{m.engine}
	for _, e := range m.edges {
		spaces = append(spaces, e.space)
	}
	var errs []error
	for _, s := range spaces {
		all, err := s.handle.NeighList(0, netlink.FAMILY_V4)
		errs = append(errs, err)
		for _, n := range all {
			if n.State&(netlink.NUD_INCOMPLETE|netlink.NUD_FAILED) != 0 {
				if err := s.handle.NeighDel(&n); err != nil && !errors.Is(err, unix.ENOENT) {
					errs = append(errs, err)
				}
			}
		}
	}
	return errors.Join(errs...)
}

// stop ends the guests that the world doesn't have running.
func (m *machine) stop(s *world.State) error {
	var errs []error
	for id, g := range m.guests {
		i := s.Instances.Row(g.instance)
		if i.Status.State == sim.StateRunning && i.Boot == g.boot {
			continue
		}
		errs = append(errs, m.d.Leave(context.Background(), id))
		m.ears[string(g.instance)].close()
		delete(m.ears, string(g.instance))
		g.close()
		delete(m.guests, id)
	}
	return errors.Join(errs...)
}

// start joins those that the world has running.
func (m *machine) start(s *world.State) error {
	for id, e := range s.ENIs.All() {
		i := s.Instances.Row(e.Attachment.Instance)
		if _, runs := m.guests[id]; runs || i.Status.State != sim.StateRunning {
			continue
		}
		if err := m.join(e, i, s.Subnets.Row(e.Subnet)); err != nil {
			return fmt.Errorf("start %s: %w", i.ID, err)
		}
	}
	return nil
}

// join does what the engine and the agent do at a container's start.
func (m *machine) join(e sim.ENI, i sim.Instance, n sim.Subnet) error {
	link, err := m.d.Join(context.Background(), e.ID)
	if err != nil {
		return err
	}
	g := guest{instance: i.ID, boot: i.Boot, router: sim.RouterAddr(n.CIDR), vpc: e.VPC}
	if g.space, err = newSpace(); err != nil {
		return err
	}
	m.guests[e.ID] = g
	l, err := m.engine.handle.LinkByName(link)
	if err != nil {
		return err
	}
	err = errors.Join(g.set(still...), m.engine.handle.LinkSetNsPid(l, g.tid))
	if err == nil {
		err = errors.Join(g.handle.LinkSetName(l, "eth0"), g.up("eth0", e.PrivateIP.String()+"/32"))
	}
	if err == nil {
		err = errors.Join(
			g.handle.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Scope: netlink.SCOPE_LINK, Dst: ipNet(netip.PrefixFrom(g.router, 32))}),
			g.handle.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Gw: g.router.AsSlice()}))
	}
	if err != nil {
		return err
	}
	return m.listen(string(i.ID), g.space, "eth0")
}

// plugEdges starts an edge for each gateway that is attached.
func (m *machine) plugEdges(s *world.State) error {
	for id, g := range s.InternetGateways.All() {
		if _, stands := m.edges[id]; stands || g.VPC == "" {
			continue
		}
		in, err := newSpace()
		if err != nil {
			return err
		}
		e := edge{in, fmt.Sprint("port", m.plugs)}
		m.edges[id] = e
		addr := sim.AddrAt(public, uint32(firstEdge+m.plugs%60))
		m.plugs++
		if err := m.engine.pair(e.port, in, site.Bridge()); err != nil {
			return err
		}
		if err := errors.Join(m.engine.up(e.port), in.up("eth0", addr.String()+"/24")); err != nil {
			return err
		}
	}
	return nil
}

func (m *machine) unplugEdges(s *world.State) error {
	var errs []error
	for id, e := range m.edges {
		if s.InternetGateways.Row(id).VPC != "" {
			continue
		}
		errs = append(errs, m.unplug(e))
		delete(m.edges, id)
	}
	return errors.Join(errs...)
}

// unplug removes the leg: the namespace itself may live on for a while.
func (m *machine) unplug(e edge) error {
	defer e.close()
	l, err := m.engine.handle.LinkByName(e.port)
	if err != nil {
		return err
	}
	return m.engine.handle.LinkDel(l)
}

// answerInRouters opens the services of each router: metadata and DNS.
func (m *machine) answerInRouters() error {
	for _, e := range m.routers {
		e.close()
	}
	m.routers = nil
	for _, v := range m.config.VPCs {
		tcp, udp := []netip.AddrPort{netip.AddrPortFrom(sim.MetadataAddr, 80)}, []netip.AddrPort(nil)
		if v.DNS.IsValid() {
			udp = []netip.AddrPort{netip.AddrPortFrom(v.DNS, 53), netip.AddrPortFrom(sim.DNSLinkLocal, 53)}
			tcp = append(tcp, udp...)
		}
		err := m.d.In(v.ID, func() error {
			e, err := listen("", tcp, udp)
			if err == nil {
				m.routers = append(m.routers, e)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("listen in the router of %s: %w", v.ID, err)
		}
	}
	return nil
}

// counters reads those of all routers.
func (m *machine) counters() (map[sim.VPCID]map[string]uint64, error) {
	out := map[sim.VPCID]map[string]uint64{}
	for _, v := range m.config.VPCs {
		all, err := m.d.Counters(context.Background(), v.ID)
		if err != nil {
			return nil, fmt.Errorf("read counters: %w", err)
		}
		out[v.ID] = make(map[string]uint64, len(all))
		for _, c := range all {
			out[v.ID][c.ID] = c.Packets
		}
	}
	return out, nil
}

// clear ends all that the world had, so that the next one finds nothing of it.
func (m *machine) clear() error {
	var errs []error
	for _, e := range m.routers {
		e.close()
	}
	m.routers = nil
	for id, g := range m.guests {
		if e := m.ears[string(g.instance)]; e != nil {
			e.close()
		}
		delete(m.ears, string(g.instance))
		g.close()
		delete(m.guests, id)
	}
	if m.d != nil {
		errs = append(errs, m.d.Clear(context.Background()))
	}
	for id, e := range m.edges {
		errs = append(errs, m.unplug(e))
		delete(m.edges, id)
	}
	return errors.Join(errs...)
}

// close leaves nothing.
func (m *machine) close() error {
	err := m.clear()
	if m.d != nil {
		m.d.Close()
	}
	for _, e := range m.ears {
		e.close()
	}
	for _, s := range []*space{m.engine, m.beyond} {
		if s != nil {
			s.close()
		}
	}
	if names, _ := m.pins.List(); len(names) > 0 {
		err = errors.Join(err, fmt.Errorf("routers are still pinned: %v", names))
	}
	return err
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Masked().Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), 32)}
}

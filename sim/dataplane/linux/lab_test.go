//go:build linux

package linux

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"labsim/sim"
	"labsim/sim/dataplane"
)

// TestMain lets the test binary stand for the process of an edge container: it
// lives until its input ends.
func TestMain(m *testing.M) {
	if os.Getenv("LABSIM_TEST_EDGE") != "" {
		io.Copy(io.Discard, os.Stdin)
		return
	}
	os.Exit(m.Run())
}

// needKernel skips the test where namespaces can't be made; in CI that fails.
func needKernel(t testing.TB) {
	t.Helper()
	ns, err := newNS()
	if err == nil {
		ns.Close()
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("this test needs root: %v", err)
	}
	t.Skipf("this test needs root: %v", err)
}

const (
	wait    = 400 * time.Millisecond // for what must not happen
	patient = 3 * time.Second        // for what must: the first ARP request may be lost
)

var public = netip.MustParsePrefix("198.51.100.0/24")

const site sim.Site = "t-linux"

// A lab is a machine in namespaces: an engine with the bridge of the internet, a
// peer on it, guests, and a driver.
type lab struct {
	t      testing.TB
	d      *Driver
	dir    string
	host   netns.NsHandle
	peer   netns.NsHandle // 198.51.100.240
	guests map[sim.ENIID]netns.NsHandle
	config dataplane.Config
	blind  bool // who changes rules isn't noticed

	mu      sync.Mutex                   // guards running, which the driver asks for
	running map[sim.ENIID]netns.NsHandle // the guests that are known to hold their interface
}

func newLab(t testing.TB) *lab {
	t.Helper()
	needKernel(t)
	l := &lab{t: t, dir: filepath.Join(t.TempDir(), "netns"), guests: make(map[sim.ENIID]netns.NsHandle),
		running: make(map[sim.ENIID]netns.NsHandle)}
	l.host, l.peer = l.namespace(), l.namespace()
	h := l.handle(l.host)
	a := netlink.NewLinkAttrs()
	a.Name = site.Bridge()
	l.must(h.LinkAdd(&netlink.Bridge{LinkAttrs: a}))
	l.up(h, site.Bridge(), "198.51.100.1/24")
	l.plug(l.peer, "peer", "198.51.100.240/24")
	l.restart()
	t.Cleanup(func() {
		if err := l.d.Clear(context.Background()); err != nil {
			t.Errorf("clear: %v", err)
		}
		if names, _ := l.d.o.Pins.List(); len(names) > 0 {
			t.Errorf("pins left after Clear: %v", names)
		}
	})
	l.config = dataplane.Config{Site: string(site), Public: public}
	return l
}

// restart replaces the driver by a new one, as when the agent starts again.
func (l *lab) restart() {
	if l.d != nil {
		l.d.Close()
	}
	d, err := New(Options{Site: site, Pins: NewDirPins(l.dir, nil),
		HostNS: func() (netns.NsHandle, error) { return dup(l.host) }, Guest: l.holder})
	l.must(err)
	l.d = d
	l.d.blind.Store(l.blind)
}

// ignore leaves rules that somebody else changes to the next Set.
func (l *lab) ignore() {
	l.blind = true
	l.d.blind.Store(true)
}

func dup(ns netns.NsHandle) (netns.NsHandle, error) {
	fd, err := syscall.Dup(int(ns))
	return netns.NsHandle(fd), err
}

func (l *lab) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) namespace() netns.NsHandle {
	ns, err := newNS()
	l.must(err)
	l.t.Cleanup(func() { ns.Close() })
	l.up(l.handle(ns), "lo", "")
	return ns
}

func (l *lab) handle(ns netns.NsHandle) *netlink.Handle {
	h, err := handleAt(ns)
	l.must(err)
	l.t.Cleanup(h.Close)
	return h
}

func (l *lab) up(h *netlink.Handle, name, addr string) {
	l.t.Helper()
	link, err := h.LinkByName(name)
	l.must(err)
	if addr != "" {
		a, err := netlink.ParseAddr(addr)
		l.must(err)
		l.must(h.AddrAdd(link, a))
	}
	l.must(h.LinkSetUp(link))
}

// plug puts a leg on the bridge into a namespace, as the engine does.
func (l *lab) plug(ns netns.NsHandle, port, addr string) {
	h := l.handle(l.host)
	br, err := h.LinkByName(site.Bridge())
	l.must(err)
	a := netlink.NewLinkAttrs()
	a.Name, a.MasterIndex = port, br.Attrs().Index
	l.must(h.LinkAdd(&netlink.Veth{LinkAttrs: a, PeerName: "eth0", PeerNamespace: netlink.NsFd(int(ns))}))
	l.up(h, port, "")
	inside := l.handle(ns)
	l.up(inside, "eth0", addr)
	l.must(inside.RouteAdd(&netlink.Route{Gw: net.ParseIP("198.51.100.1")}))
}

// edge starts a process with a namespace of its own on the bridge.
func (l *lab) edge(addr string) (pid int, kill func()) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "LABSIM_TEST_EDGE=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	in, err := cmd.StdinPipe()
	l.must(err)
	l.must(cmd.Start())
	kill = func() { in.Close(); cmd.Wait() }
	l.t.Cleanup(kill)
	ns, err := netns.GetFromPid(cmd.Process.Pid)
	l.must(err)
	defer ns.Close()
	l.plug(ns, fmt.Sprint("p", cmd.Process.Pid), addr)
	return cmd.Process.Pid, kill
}

func (l *lab) set() {
	l.t.Helper()
	if err := l.d.Set(context.Background(), &l.config); err != nil {
		l.t.Fatalf("set: %v", err)
	}
}

// guest joins the interface and does what the engine does with the guest's end.
func (l *lab) guest(id sim.ENIID) netns.NsHandle {
	l.t.Helper()
	name, err := l.d.Join(context.Background(), id)
	l.must(err)
	e := l.eni(id)
	ns := l.namespace()
	h := l.handle(l.host)
	link, err := h.LinkByName(name)
	l.must(err)
	l.must(h.LinkSetNsFd(link, int(ns)))
	g := l.handle(ns)
	l.must(g.LinkSetName(link, "eth0"))
	l.up(g, "eth0", e.Addr.String()+"/24")
	l.must(g.RouteAdd(&netlink.Route{Gw: sim.RouterAddr(netip.PrefixFrom(e.Addr, 24)).AsSlice()}))
	l.guests[id] = ns
	l.holds(id, true)
	l.t.Cleanup(func() { l.holds(id, false) }) // before it is closed
	return ns
}

func (l *lab) eni(id sim.ENIID) *dataplane.ENI {
	for v := range l.config.VPCs {
		for i := range l.config.VPCs[v].ENIs {
			if e := &l.config.VPCs[v].ENIs[i]; e.ID == id {
				return e
			}
		}
	}
	l.t.Fatalf("no interface %s in the config", id)
	return nil
}

func (l *lab) vpc(id sim.VPCID) *dataplane.VPC {
	i := slices.IndexFunc(l.config.VPCs, func(v dataplane.VPC) bool { return v.ID == id })
	return &l.config.VPCs[i]
}

func (l *lab) counter(v sim.VPCID, id string) uint64 {
	l.t.Helper()
	all, err := l.d.Counters(context.Background(), v)
	l.must(err)
	for _, c := range all {
		if c.ID == id {
			return c.Packets
		}
	}
	l.t.Fatalf("no counter %q in %s", id, v)
	return 0
}

// serve answers TCP on the address with the peer's address.
func (l *lab) serve(ns netns.NsHandle, addr string) {
	l.t.Helper()
	var ln net.Listener
	l.must(inNS(ns, func() (err error) { ln, err = net.Listen("tcp4", addr); return }))
	l.t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
				fmt.Fprintln(c, host)
				io.Copy(c, c) // an echo as long as it lasts
			}()
		}
	}()
}

func dial(ns netns.NsHandle, addr string, timeout time.Duration) (net.Conn, error) {
	var c net.Conn
	err := inNS(ns, func() (err error) { c, err = net.DialTimeout("tcp4", addr, timeout); return })
	return c, err
}

// seen connects and returns whom the server sees.
func seen(ns netns.NsHandle, addr string, timeout time.Duration) (string, error) {
	c, err := dial(ns, addr, timeout)
	if err != nil {
		return "", err
	}
	defer c.Close()
	return line(c, patient)
}

func line(c net.Conn, timeout time.Duration) (string, error) {
	c.SetReadDeadline(time.Now().Add(timeout))
	b := make([]byte, 64)
	n, err := c.Read(b)
	return strings.TrimSpace(string(b[:n])), err
}

func (l *lab) open(from netns.NsHandle, addr, wantSeen string) {
	l.t.Helper()
	switch got, err := seen(from, addr, patient); {
	case err != nil:
		l.t.Errorf("connect to %s: %v; want it open", addr, err)
	case wantSeen != "" && got != wantSeen:
		l.t.Errorf("%s sees %s, want %s", addr, got, wantSeen)
	}
}

func (l *lab) closed(from netns.NsHandle, addr string) {
	l.t.Helper()
	_, err := seen(from, addr, wait)
	if err == nil {
		l.t.Errorf("connect to %s: open, want no answer", addr)
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		l.t.Errorf("connect to %s: refused, so the packet arrived", addr)
	}
}

// ping reports whether the address answers an echo request in time.
func ping(ns netns.NsHandle, addr string, timeout time.Duration) bool {
	err := inNS(ns, func() error {
		c, err := net.ListenPacket("ip4:icmp", "0.0.0.0")
		if err != nil {
			return err
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(timeout))
		if _, err := c.WriteTo(echoRequest, &net.IPAddr{IP: net.ParseIP(addr)}); err != nil {
			return err
		}
		b := make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return err
			}
			if n >= 1 && b[0] == 0 && from.String() == addr {
				return nil
			}
		}
	})
	return err == nil
}

// echoRequest of id 1 and number 1; the rest is its checksum.
var echoRequest = []byte{8, 0, 0xf7, 0xfd, 0, 1, 0, 1}

// udpPacket is an IPv4 packet for a raw socket, which adds the header's checksum.
func udpPacket(src, dst netip.Addr, port uint16, payload string) []byte {
	b := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0}
	b = append(b, src.AsSlice()...)
	b = append(b, dst.AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, 4000)
	b = binary.BigEndian.AppendUint16(b, port)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	b = append(b, 0, 0) // no checksum
	return append(b, payload...)
}

// sendRaw sends a packet with a header of the sender's making.
func sendRaw(ns netns.NsHandle, dst netip.Addr, packet []byte) error {
	return inNS(ns, func() error {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, syscall.IPPROTO_RAW)
		if err != nil {
			return err
		}
		defer syscall.Close(fd)
		return syscall.Sendto(fd, packet, 0, &syscall.SockaddrInet4{Addr: dst.As4()})
	})
}

// eventually waits for something that takes the kernel a moment.
func (l *lab) eventually(what string, ok func() bool) {
	l.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	l.t.Errorf("%s: not within half a minute", what)
}

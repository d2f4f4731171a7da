package agent

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"labsim/sim"
	"labsim/sim/dataplane"
	"labsim/sim/dns"
	"labsim/sim/imds"
	"labsim/sim/limit"
)

// Link-local addresses of EC2's services (EC2 User Guide, "Instance metadata";
// VPC User Guide, "Amazon DNS server").
var (
	metadataAddr = netip.MustParseAddr("169.254.169.254")
	resolverAddr = netip.MustParseAddr("169.254.169.253")
)

// services are the metadata service and the resolver of every VPC. They listen
// in the VPC's router, so that who asks is known by the address alone.
type services struct {
	a *Agent

	mu   sync.Mutex // one change at a time
	live map[sim.VPCID]*service

	upstream upstream
}

// Bounds of one connection to the metadata service: of an honest client's request
// and answer, user data included, they are many times over.
const (
	headerTime = 5 * time.Second  // from the first byte of a request to the last of its header
	answerTime = 10 * time.Second // for a whole request, and for a whole answer
	idleTime   = time.Minute      // between two requests
	maxHeader  = 8 << 10          // bytes
)

// service is what listens in one VPC. What it answers it looks up in the held
// config, so a new config needs no new listeners.
type service struct {
	inode    uint64 // of the namespace
	dns      netip.Addr
	resolver *dns.Server
	sockets  []io.Closer
}

func newServices(a *Agent) *services { return &services{a: a, live: map[sim.VPCID]*service{}} }

// set starts what is missing and ends what is too much. A router that was made
// anew gets new listeners.
func (s *services) set(h *heldConfig) []dataplane.Problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, one := range s.live {
		if _, ok := h.vpcs[id]; !ok {
			one.close()
			delete(s.live, id)
		}
	}
	var problems []dataplane.Problem
	for _, v := range h.vpcs {
		if err := s.ensure(v); err != nil {
			problems = append(problems, dataplane.Problem{Resource: string(v.ID), Message: fmt.Sprintf("metadata and DNS: %v", err)})
		}
	}
	return problems
}

func (s *services) ensure(v *dataplane.VPC) error {
	var inode uint64
	err := s.a.driver.In(v.ID, func() error {
		var st unix.Stat_t
		err := unix.Stat("/proc/thread-self/ns/net", &st)
		inode = st.Ino
		return err
	})
	if err != nil {
		return err
	}
	if one, ok := s.live[v.ID]; ok {
		if one.inode == inode && one.dns == v.DNS {
			return nil
		}
		one.close()
		delete(s.live, v.ID)
	}
	id := v.ID
	one := &service{inode: inode, dns: v.DNS,
		resolver: dns.NewServer(func() *dns.Zone { return s.a.held().zones[id] }, dns.NewForwarder(s.resolvers, s.admit(s.a.pools.queries, id)))}
	if err := s.a.driver.In(v.ID, func() error { return s.listen(one, v) }); err != nil {
		one.close()
		return err
	}
	s.live[v.ID] = one
	return nil
}

// listen runs on a thread in the VPC's namespace.
func (s *services) listen(one *service, v *dataplane.VPC) error {
	id := v.ID
	lookup := func(addr netip.Addr) (dataplane.Metadata, bool) { return s.a.held().metadata(id, addr) }
	l, err := one.tcp(metadataAddr, 80)
	if err != nil {
		return err
	}
	srv := &http.Server{
		Handler:           imds.Handler(lookup),
		ReadHeaderTimeout: headerTime, ReadTimeout: answerTime, WriteTimeout: answerTime, IdleTimeout: idleTime,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       log.New(io.Discard, "", 0),
	}
	go srv.Serve(hopListener{s.limited(l, id), lookup})
	if !v.DNS.IsValid() {
		return nil
	}
	for _, addr := range []netip.Addr{v.DNS, resolverAddr} {
		pc, err := one.udp(addr, 53)
		if err != nil {
			return err
		}
		l, err := one.tcp(addr, 53)
		if err != nil {
			return err
		}
		go func() {
			if err := one.resolver.Serve(pc, s.limited(l, id)); err != nil {
				log.Printf("%s: DNS: %v", id, err)
			}
		}()
	}
	return nil
}

// limited bounds the connections of each interface of a VPC.
func (s *services) limited(l net.Listener, v sim.VPCID) net.Listener {
	admit := s.admit(s.a.pools.services, v)
	return &limit.Listener{
		Listener:     l,
		WriteTimeout: answerTime,
		Admit: func(c net.Conn) (func(), error) {
			from, err := netip.ParseAddrPort(c.RemoteAddr().String())
			if err != nil {
				return nil, err
			}
			return admit(from.Addr())
		},
		Refused: func(err error) { s.a.provoked.Printf("%s: metadata and DNS: connection refused: %v", v, err) },
	}
}

// admit takes from a pool for the interface that has an address. Addresses that no
// interface has count as one: who is let send from any would be anybody else.
func (s *services) admit(pool *limit.Pool, v sim.VPCID) func(netip.Addr) (func(), error) {
	return func(addr netip.Addr) (func(), error) {
		m, _ := s.a.held().metadata(v, addr)
		return pool.Take(string(v), string(m.ENI))
	}
}

// freebind lets a socket listen before the driver has put the address there.
var freebind = net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
	var err error
	if e := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_FREEBIND, 1) }); e != nil {
		return e
	}
	return err
}}

func (one *service) tcp(addr netip.Addr, port uint16) (net.Listener, error) {
	l, err := freebind.Listen(context.Background(), "tcp4", netip.AddrPortFrom(addr, port).String())
	if err == nil {
		one.sockets = append(one.sockets, l)
	}
	return l, err
}

func (one *service) udp(addr netip.Addr, port uint16) (net.PacketConn, error) {
	pc, err := freebind.ListenPacket(context.Background(), "udp4", netip.AddrPortFrom(addr, port).String())
	if err == nil {
		one.sockets = append(one.sockets, pc)
	}
	return pc, err
}

func (one *service) close() {
	one.resolver.Close()
	for _, c := range one.sockets {
		c.Close()
	}
}

// hopListener gives answers the hop limit of the instance that asks: what runs
// in a container of the instance, one hop further, doesn't get them unless the
// instance allows it (EC2 User Guide, "HttpPutResponseHopLimit").
type hopListener struct {
	net.Listener
	lookup func(netip.Addr) (dataplane.Metadata, bool)
}

func (l hopListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	limit := 1
	if from, err := netip.ParseAddrPort(c.RemoteAddr().String()); err == nil {
		if m, ok := l.lookup(from.Addr()); ok && m.HopLimit > 1 {
			limit = m.HopLimit
		}
	}
	if raw, err := c.(syscall.Conn).SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_TTL, limit) })
	}
	return c, nil
}

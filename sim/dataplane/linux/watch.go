//go:build linux

package linux

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	mnl "github.com/mdlayher/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// watchPause is the least time between two looks at the rules, or the interfaces, of
// one namespace: who changes them in a loop doesn't keep us busy.
const watchPause = 100 * time.Millisecond

// A watch is told by the kernel when something in a namespace has changed.
type watch struct {
	conn  *mnl.Conn
	of    func(mnl.Message) uint32 // the number of news
	news  chan uint32              // an old one gives way to a newer one
	ended chan struct{}
}

// watchRules calls changed with the number of a generation of the rules that may be
// news; changed reports whether it had to look. It is called again and again, by one
// goroutine, until the watch is closed.
func watchRules(ns netns.NsHandle, changed func(generation uint32) (looked bool)) (*watch, error) {
	const newGeneration = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWGEN
	w, err := watchKernel(ns, unix.NETLINK_NETFILTER, unix.NFNLGRP_NFTABLES, newGeneration, generationOf, changed)
	if err != nil {
		return nil, fmt.Errorf("watch rules: %w", err)
	}
	return w, nil
}

// watchLinks calls gone in the same way when an interface has been taken out of the
// namespace.
func watchLinks(ns netns.NsHandle, gone func(uint32) (looked bool)) (*watch, error) {
	unnumbered := func(mnl.Message) uint32 { return 0 }
	w, err := watchKernel(ns, unix.NETLINK_ROUTE, unix.RTNLGRP_LINK, unix.RTM_DELLINK, unnumbered, gone)
	if err != nil {
		return nil, fmt.Errorf("watch interfaces: %w", err)
	}
	return w, nil
}

// watchKernel is for messages of one kind to one group of a netlink family.
func watchKernel(ns netns.NsHandle, family, group int, kind uint16, of func(mnl.Message) uint32, changed func(uint32) bool) (*watch, error) {
	c, err := mnl.Dial(family, &mnl.Config{NetNS: int(ns), Groups: 1 << (group - 1)})
	if err != nil {
		return nil, err
	}
	if err := c.SetBPF(only(kind)); err != nil {
		c.Close()
		return nil, err
	}
	w := &watch{conn: c, of: of, news: make(chan uint32, 1), ended: make(chan struct{})}
	go w.read()
	go w.tell(changed)
	return w, nil
}

// close may be called while changed runs, and on nil.
func (w *watch) close() {
	if w != nil {
		close(w.ended)
		w.conn.Close()
	}
}

func (w *watch) read() {
	for {
		messages, err := w.conn.Receive()
		switch {
		case errors.Is(err, os.ErrClosed), err != nil && !errors.Is(err, unix.ENOBUFS):
			return
		case err != nil: // so many that some were lost
			messages = []mnl.Message{{}}
		}
		for _, m := range messages {
			w.pass(w.of(m))
		}
	}
}

func (w *watch) pass(g uint32) {
	select {
	case <-w.news:
	default:
	}
	w.news <- g // nobody else writes
}

func (w *watch) tell(changed func(uint32) bool) {
	for {
		select {
		case g := <-w.news:
			if !changed(g) {
				continue
			}
		case <-w.ended:
			return
		}
		select {
		case <-time.After(watchPause):
		case <-w.ended:
			return
		}
	}
}

// generationOf returns the number that a message about a new generation has, or 0.
func generationOf(m mnl.Message) uint32 {
	if len(m.Data) < 4 {
		return 0
	}
	attrs, err := mnl.UnmarshalAttributes(m.Data[4:])
	if err != nil {
		return 0
	}
	for _, a := range attrs {
		if a.Type == unix.NFTA_GEN_ID && len(a.Data) == 4 {
			return binary.BigEndian.Uint32(a.Data)
		}
	}
	return 0
}

// only lets messages of one kind pass: of the rules the one that ends each transaction,
// and none of what was changed in it, as there may be thousands.
func only(kind uint16) []bpf.RawInstruction {
	var raw [2]byte // as it lies in memory; BPF reads it the network's way
	binary.NativeEndian.PutUint16(raw[:], kind)
	filter, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 4, Size: 2}, // nlmsg_type
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(binary.BigEndian.Uint16(raw[:])), SkipFalse: 1},
		bpf.RetConstant{Val: 1 << 16},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		panic(err) // but for a number it is a constant
	}
	return filter
}

// is reports whether that generation is our own.
func (s *ruleState) is(generation uint32) bool { return s.have != nil && s.generation == generation }

// mend looks whether the tables are as they have to be, and puts them right where
// they are not.
func (s *ruleState) mend(ns netns.NsHandle, want ...table) (mended bool, err error) {
	before, err := generation(ns)
	if err != nil || s.have != nil && s.generation == before {
		return false, err
	}
	found, err := s.differences(ns, want...)
	if err != nil {
		return false, err
	}
	if len(found) > 0 {
		return s.apply(ns, want...)
	}
	if after, err := generation(ns); err != nil || after != before {
		return false, err // there is more news to come
	}
	s.have, s.text, s.generation = want, textOf(want), before
	return false, nil
}

// mend puts the router's rules back, where somebody else has changed them.
func (r *router) mend(news uint32) (looked bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.want == nil || !r.ns.IsOpen() || r.d.blind.Load() || r.rules.is(news) {
		return false
	}
	mended, err := r.rules.mend(r.ns, r.tables()...)
	r.d.mended(string(r.id), mended, err)
	return true
}

// mendEdge does that for the rules of the edge.
func (r *router) mendEdge(news uint32) (looked bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.want == nil || r.want.vpc.Gateway == nil || !r.edge.inForce || r.d.blind.Load() || r.edge.rules.is(news) {
		return false
	}
	ns, err := netns.GetFromPath(fmt.Sprintf("/proc/%d/ns/net", r.edge.pid))
	if err != nil || ns.UniqueId() != r.edge.ns {
		return false // gone; who ends an edge says so
	}
	defer ns.Close()
	mended, err := r.edge.rules.mend(ns, edgeTables(r.want.public, *r.want.vpc.Gateway)...)
	r.d.mended(string(r.want.vpc.Gateway.ID), mended, err)
	return true
}

// mended reports what was put back, or could not be; the next Set tries again.
func (d *Driver) mended(resource string, mended bool, err error) {
	if mended {
		d.writes.Add(1)
	}
	if (mended || err != nil) && d.o.Mended != nil {
		d.o.Mended(resource, err)
	}
}

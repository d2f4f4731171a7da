package probe

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// ears hear what comes into a namespace, and answer on the ports of TCP and UDP that
// are asked for. The kernel answers echo requests. Nothing runs by itself: what has
// come is looked at by heard and serve.
type ears struct {
	tap      int // all that comes in by a link; -1: none
	tcp, udp []int
}

// listen is called in the namespace. link is what is tapped; "": none.
func listen(link string, tcp, udp []netip.AddrPort) (*ears, error) {
	e := &ears{tap: -1}
	if link != "" {
		if err := e.listenAll(link); err != nil {
			e.close()
			return nil, err
		}
	}
	for _, at := range tcp {
		fd, err := bound(unix.SOCK_STREAM, at)
		if err == nil {
			e.tcp = append(e.tcp, fd)
			err = unix.Listen(fd, 128)
		}
		if err != nil {
			e.close()
			return nil, err
		}
	}
	for _, at := range udp {
		fd, err := bound(unix.SOCK_DGRAM, at)
		if err != nil {
			e.close()
			return nil, err
		}
		e.udp = append(e.udp, fd)
	}
	return e, nil
}

func (e *ears) listenAll(link string) error {
	i, err := net.InterfaceByName(link)
	if err != nil {
		return err
	}
	if e.tap, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return err
	}
	return unix.Bind(e.tap, &unix.SockaddrLinklayer{Protocol: network(unix.ETH_P_IP), Ifindex: i.Index})
}

// network is a number in the network's order.
func network(n uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], n)
	return binary.NativeEndian.Uint16(b[:])
}

// bound is a socket with an address of its own.
func bound(kind int, at netip.AddrPort) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	err = errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		unix.Bind(fd, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}))
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// A heard packet is the first one of a flow.
type heard struct {
	token    uint16 // the sender's port, or the id of an echo request
	src, dst netip.Addr
}

// heard returns what has come in since it was called last. Answers, and what goes
// on, are left out.
func (e *ears) heard() (all []heard) {
	if e.tap < 0 {
		return nil
	}
	b := make([]byte, 256)
	for {
		n, from, err := unix.Recvfrom(e.tap, b, 0)
		if err != nil {
			return all
		}
		if l, ok := from.(*unix.SockaddrLinklayer); !ok || l.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		if h, ok := first(b[:n]); ok {
			all = append(all, h)
		}
	}
}

// first reads an IPv4 packet, if it is the first one of a flow: to a port below the
// tokens, and of TCP a SYN alone.
func first(b []byte) (heard, bool) {
	if len(b) < 28 || b[0]>>4 != 4 {
		return heard{}, false
	}
	src, _ := netip.AddrFromSlice(b[12:16])
	dst, _ := netip.AddrFromSlice(b[16:20])
	t := b[int(b[0]&15)*4:]
	if len(t) < 8 {
		return heard{}, false
	}
	h := heard{binary.BigEndian.Uint16(t), src, dst}
	switch b[9] {
	case unix.IPPROTO_TCP:
		return h, len(t) > 13 && t[13]&(1<<1|1<<4) == 1<<1 // SYN, without ACK
	case unix.IPPROTO_UDP:
		return h, binary.BigEndian.Uint16(t[2:]) < firstToken
	case unix.IPPROTO_ICMP:
		h.token = binary.BigEndian.Uint16(t[4:])
		return h, t[0] == 8 && h.token != fenceToken
	}
	return heard{}, false
}

// serve answers datagrams, and forgets connections: they are established already.
func (e *ears) serve() {
	b := make([]byte, 256)
	for _, fd := range e.udp {
		for {
			n, from, err := unix.Recvfrom(fd, b, 0)
			if err != nil {
				break
			}
			_ = unix.Sendto(fd, b[:n], 0, from) // refused: then it isn't answered
		}
	}
	for _, fd := range e.tcp {
		for {
			c, _, err := unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
			if err != nil {
				break
			}
			unix.Close(c)
		}
	}
}

// fds are what becomes readable when something comes.
func (e *ears) fds() []int {
	all := append([]int{}, e.udp...)
	if e.tap >= 0 {
		all = append(all, e.tap)
	}
	return all
}

func (e *ears) close() {
	for _, fd := range append(e.tcp, e.udp...) {
		unix.Close(fd)
	}
	if e.tap >= 0 {
		go unix.Close(e.tap) // takes as long as every processor needs to let go of it
	}
	*e = ears{tap: -1}
}

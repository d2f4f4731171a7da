package probe

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"

	"labsim/sim"
)

// Each packet has a token by which it is known again: the sender's port, or the id
// of an echo request. It is no port on which anybody listens.
const (
	firstToken = 10000
	lastToken  = 60000
	fenceToken = 1
)

// A flight is a packet under way, with the socket that waits for its answer.
type flight struct {
	fd    int
	proto sim.Protocol
	token uint16
	ended bool // by an error: no answer will come
}

// fly sends a packet from the namespace of the calling thread.
func fly(proto sim.Protocol, to netip.AddrPort, token uint16) (f *flight, err error) {
	f = &flight{proto: proto, token: token}
	kind, ipProto := unix.SOCK_STREAM, 0
	switch proto {
	case sim.ProtocolUDP:
		kind = unix.SOCK_DGRAM
	case sim.ProtocolICMP:
		kind, ipProto = unix.SOCK_RAW, unix.IPPROTO_ICMP
	}
	if f.fd, err = unix.Socket(unix.AF_INET, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, ipProto); err != nil {
		return nil, err
	}
	if err := f.send(to, token); err != nil {
		unix.Close(f.fd)
		return nil, err
	}
	return f, nil
}

// forge sends a datagram that claims to come from somebody else. Nobody waits for the
// answer, which is not for the sender.
func forge(as netip.Addr, to netip.AddrPort, token uint16) (f *flight, err error) {
	f = &flight{proto: sim.ProtocolUDP, token: token}
	if f.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW); err != nil {
		return nil, err
	}
	b := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, unix.IPPROTO_UDP, 0, 0} // the kernel sums it up
	b = append(append(b, as.AsSlice()...), to.Addr().AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, token)
	b = binary.BigEndian.AppendUint16(b, to.Port())
	b = append(b, 0, 8, 0, 0) // nothing in it, and no checksum
	if err := unix.Sendto(f.fd, b, 0, &unix.SockaddrInet4{Addr: to.Addr().As4()}); err != nil {
		unix.Close(f.fd)
		return nil, err
	}
	return f, nil
}

func (f *flight) send(to netip.AddrPort, token uint16) error {
	if f.proto != sim.ProtocolICMP {
		if err := unix.Bind(f.fd, &unix.SockaddrInet4{Port: int(token)}); err != nil {
			return err
		}
	}
	err := unix.Connect(f.fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()})
	switch {
	case f.proto == sim.ProtocolTCP && errors.Is(err, unix.EINPROGRESS):
		return nil
	case err != nil || f.proto == sim.ProtocolTCP:
		return err
	case f.proto == sim.ProtocolUDP:
		_, err = unix.Write(f.fd, []byte("labsim"))
		return err
	}
	_, err = unix.Write(f.fd, echoRequest(token))
	return err
}

// echoRequest is an ICMP packet of type 8 (RFC 792).
func echoRequest(id uint16) []byte {
	b := []byte{8, 0, 0, 0, 0, 0, 0, 1}
	binary.BigEndian.PutUint16(b[4:], id)
	sum := uint32(8<<8) + uint32(id) + 1
	binary.BigEndian.PutUint16(b[2:], ^uint16(sum+sum>>16))
	return b
}

// answered reports whether the answer has come, or what the kernel says instead.
func (f *flight) answered() (bool, error) {
	if f.proto == sim.ProtocolTCP {
		if _, err := unix.Getpeername(f.fd); err == nil {
			return true, nil
		}
		n, err := unix.GetsockoptInt(f.fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && n != 0 {
			err = unix.Errno(n)
		}
		return false, err
	}
	b := make([]byte, 256)
	for {
		n, err := unix.Read(f.fd, b)
		if errors.Is(err, unix.EAGAIN) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if f.proto == sim.ProtocolUDP {
			return true, nil
		}
		if b := b[:n]; n >= 28 && b[20] == 0 && binary.BigEndian.Uint16(b[24:]) == f.token {
			return true, nil
		}
	}
}

// land ends it; a connection is reset, so that nothing of it comes later.
func (f *flight) land() {
	if f.proto == sim.ProtocolTCP {
		_ = unix.SetsockoptLinger(f.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	unix.Close(f.fd)
}

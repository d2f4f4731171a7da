package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"

	"golang.org/x/time/rate"
)

// GuestFrames bounds how many frames of a session the agent reads of one guest in
// a second. PID 1 sends 32 KiB in a frame where there is much to send, so it never
// comes near; twelve bytes at a time a guest could keep a core of the agent's busy.
const GuestFrames = 10_000

// Guard returns conn as a yamux session should see it whose other end is a guest:
// only this side opens streams, and nobody asks for pings. yamux itself would keep
// up to 64 MiB of streams that nobody accepts, and begin a goroutine for each ping
// that can't be answered because the guest does not read.
func Guard(conn net.Conn) net.Conn {
	return &guard{Conn: conn, pace: rate.NewLimiter(GuestFrames, GuestFrames)}
}

type guard struct {
	net.Conn
	pace *rate.Limiter
	head [12]byte // of the frame that has begun
	have int      // how much of head there is
	body uint32   // what is left of a frame's data
}

// Parts of a yamux frame's head: version, type, flags (2), stream (4), length (4);
// github.com/hashicorp/yamux, spec.md.
const (
	yamuxData   = 0
	yamuxWindow = 1
	yamuxPing   = 2
	yamuxGoAway = 3
	yamuxSYN    = 1
)

var (
	errGuestOpens = errors.New("the guest opens a stream; only the agent does")
	errGuestPings = errors.New("the guest sends pings; nobody has asked for them")
)

// Read passes on what is read unless the guest breaks a rule. It waits where the
// guest sends too many frames.
func (g *guard) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	frames, bad := g.look(p[:n])
	if bad != nil {
		return 0, bad
	}
	// No deadline: at most len(p)/12 frames, a fraction of a second.
	if wait := g.pace.WaitN(context.Background(), min(frames, GuestFrames)); wait != nil {
		return 0, wait
	}
	return n, err
}

// look follows the frames in what was read and counts those that begin.
func (g *guard) look(p []byte) (frames int, err error) {
	for len(p) > 0 {
		if g.body > 0 {
			n := min(uint32(len(p)), g.body)
			g.body -= n
			p = p[n:]
			continue
		}
		n := copy(g.head[g.have:], p)
		g.have += n
		p = p[n:]
		if g.have < len(g.head) {
			break
		}
		g.have = 0
		frames++
		if err := g.begin(); err != nil {
			return frames, err
		}
	}
	return frames, nil
}

// begin judges a frame by its head.
func (g *guard) begin() error {
	kind, flags := g.head[1], binary.BigEndian.Uint16(g.head[2:])
	switch kind {
	case yamuxData, yamuxWindow:
		if flags&yamuxSYN != 0 {
			return errGuestOpens
		}
		if kind == yamuxData {
			g.body = binary.BigEndian.Uint32(g.head[8:])
		}
	case yamuxPing:
		return errGuestPings
	case yamuxGoAway:
	default:
		return fmt.Errorf("the guest sends a frame of the unknown kind %d", kind)
	}
	return nil
}

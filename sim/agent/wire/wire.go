package wire

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Protocol is raised when control, agent and CLI stop understanding each other.
const Protocol = 1

// Paths that the agent serves to control.
//
//	PUT  /config              dataplane.Config -> dataplane.Report
//	GET  /reports             stream of dataplane.Report, one JSON value each, at every change
//	GET  /counters?vpc=ID     []dataplane.Counter
//	GET  /drift               []dataplane.Drift: what the kernel has otherwise than the config
//	POST /probe               dataplane.Probe -> dataplane.ProbeResult
//	POST /dial?address=IP:PORT[&instance=ID]   Upgrade: raw; dials TCP from the engine's namespace,
//	                          or from the instance's with instance=ID
//	POST /leave               unpin, detach and remove everything of the site (uninstall)
//	ANY  /guests/ID/...       passed on to the guest, as below
//
// Paths that the guest serves to the agent.
//
//	POST /exec                Upgrade: first a line of JSON Exec, then frames
//	GET  /console?follow=1    the console output, then what follows
//	POST /shutdown            Shutdown -> 204; the guest ends by itself
//	GET  /state               GuestState
//	GET  /events              stream of GuestState, one JSON value each, at every change
const (
	PathConfig   = "/config"
	PathReports  = "/reports"
	PathCounters = "/counters"
	PathDrift    = "/drift"
	PathProbe    = "/probe"
	PathDial     = "/dial"
	PathLeave    = "/leave"
	PathGuests   = "/guests/"
	PathExec     = "/exec"
	PathConsole  = "/console"
	PathShutdown = "/shutdown"
	PathState    = "/state"
	PathEvents   = "/events"
)

// Upgrade is the value of the Upgrade header of raw streams.
const Upgrade = "labsim-raw"

// Hello is the first line (JSON) that a dialler writes, before the yamux session.
type Hello struct {
	Protocol int
	Build    string
	Site     string `json:",omitempty"`
	Node     string `json:",omitempty"`
	// Reads is the revision of the configs that an agent reads; see dataplane.Revision.
	Reads int `json:",omitempty"`
}

// Exec asks for a process in the guest.
type Exec struct {
	Args []string
	Env  []string `json:",omitempty"`
	Dir  string   `json:",omitempty"`
	User string   `json:",omitempty"` // "" is root
	TTY  bool     `json:",omitempty"`
	Rows uint16   `json:",omitempty"`
	Cols uint16   `json:",omitempty"`
	// Stdin says that frames with input will follow; without it the process reads /dev/null.
	Stdin bool `json:",omitempty"`
}

// Shutdown asks the guest to end.
type Shutdown struct {
	Action string // "poweroff" or "reboot"
}

// GuestState is what PID 1 says of its instance.
type GuestState struct {
	HostKeys []string
	Ready    bool   // the user data of this boot has ended
	Shutdown string // what a process inside asked for: "", "poweroff", "reboot"
}

// Cleaned returns the state with what may be passed on of it: a guest may say
// anything.
func (s GuestState) Cleaned() GuestState {
	if s.Shutdown != "poweroff" && s.Shutdown != "reboot" {
		s.Shutdown = ""
	}
	s.HostKeys = HostKeys(s.HostKeys)
	return s
}

// Frame kinds of a process' streams. A frame is one byte of kind, four bytes of
// length, big endian, and the data.
const (
	FrameStdin  byte = 0
	FrameStdout byte = 1
	FrameStderr byte = 2
	FrameExit   byte = 3 // one byte: the exit code; the last frame
	FrameResize byte = 4 // rows and columns, two bytes each
	FrameEOF    byte = 5 // end of stdin
	FrameSignal byte = 6 // one byte: the signal's number
	FrameError  byte = 7 // the process could not be started; text; the last frame
)

// MaxFrame bounds a frame's data.
const MaxFrame = 64 << 10

// frameLength is the length of the kinds that have one.
var frameLength = map[byte]uint32{FrameExit: 1, FrameResize: 4, FrameEOF: 0, FrameSignal: 1}

// WriteFrame writes one frame, in one call of w.Write.
func WriteFrame(w io.Writer, kind byte, data []byte) error {
	if len(data) > MaxFrame {
		return fmt.Errorf("frame of %d bytes, at most %d", len(data), MaxFrame)
	}
	buf := make([]byte, 5+len(data))
	buf[0] = kind
	binary.BigEndian.PutUint32(buf[1:], uint32(len(data)))
	copy(buf[5:], data)
	_, err := w.Write(buf)
	return err
}

// ReadFrame reads one frame; data is valid until the caller's next use of buf. It
// is of the length that its kind has, so that a reader may take it apart.
func ReadFrame(r io.Reader, buf []byte) (kind byte, data []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > MaxFrame {
		return 0, nil, fmt.Errorf("frame of %d bytes, at most %d", n, MaxFrame)
	}
	if want, fixed := frameLength[head[0]]; fixed && n != want {
		return 0, nil, fmt.Errorf("frame of kind %d with %d bytes, not %d", head[0], n, want)
	}
	if cap(buf) < int(n) {
		buf = make([]byte, n)
	}
	data = buf[:n]
	_, err = io.ReadFull(r, data)
	return head[0], data, err
}

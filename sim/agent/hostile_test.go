//go:build linux

package agent

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/yamux"
	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"labsim/sim/agent/wire"
)

// hostileNode is a node on which whoever dials the socket counts as the first
// process of iWeb, as root of a guest that has taken that process over does.
func hostileNode(t *testing.T) (*node, string) {
	t.Helper()
	n := controlNode(t)
	n.agent.current.Store(hold(labConfig(1)))
	netns := fmt.Sprintf("/proc/%d/ns/net", os.Getpid())
	n.agent.guests.identify = func(syscall.Conn) (*peer, error) {
		f, err := os.Open(netns)
		if err != nil {
			return nil, err
		}
		var st unix.Stat_t
		err = unix.Fstat(int(f.Fd()), &st)
		return &peer{pid: os.Getpid(), container: strings.Repeat("c", 64), net: f, netInode: st.Ino}, err
	}
	err := n.agent.records.update(func(r *record) { r.Endpoints["e1"] = endpoint{ENI: eniWeb, Sandbox: netns} })
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(n.agent.runDir, "g")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				n.agent.guests.serve(c)
			}()
		}
	}()
	return n, socket
}

// pretend connects as PID 1 does and answers with h.
func pretend(t *testing.T, socket string, h http.Handler) *yamux.Session {
	t.Helper()
	s, err := guestSession(socket, wire.Protocol)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	go http.Serve(s, h)
	return s
}

// says answers /events with what f writes.
func says(f func(w io.Writer)) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+wire.PathEvents, func(w http.ResponseWriter, r *http.Request) {
		f(flushing{w})
		<-r.Context().Done()
	})
	return mux
}

// flushing sends each write at once.
type flushing struct{ http.ResponseWriter }

func (f flushing) Write(p []byte) (int, error) {
	n, err := f.ResponseWriter.Write(p)
	http.NewResponseController(f.ResponseWriter).Flush()
	return n, err
}

// ends waits until the agent has ended the connection.
func ends(t *testing.T, s *yamux.Session) {
	t.Helper()
	select {
	case <-s.CloseChan():
	case <-time.After(30 * time.Second):
		t.Fatal("the agent keeps the connection")
	}
}

// heap watches how much the heap grows.
type heap struct{ before, most uint64 }

func newHeap() *heap {
	runtime.GC()
	h := &heap{}
	h.look()
	h.before = h.most
	return h
}

func (h *heap) look() {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	h.most = max(h.most, m.HeapAlloc)
}

func (h *heap) growth() uint64 { return h.most - h.before }

// endless is how much a test sends at most of what never ends, and smallHeap how
// much the agent's heap may grow by it.
const (
	endless   = 256 << 20
	smallHeap = 8 << 20
)

// pour writes the same bytes again and again, until somebody makes an end of it.
func pour(w io.Writer, chunk []byte, h *heap) (sent int) {
	for sent < endless {
		if _, err := w.Write(chunk); err != nil {
			break
		}
		if sent += len(chunk); sent%(1<<20) == 0 {
			h.look()
		}
	}
	h.look()
	return sent
}

func TestLineWithoutEnd(t *testing.T) {
	_, socket := hostileNode(t)
	h, sent := newHeap(), make(chan int, 1)
	s := pretend(t, socket, says(func(w io.Writer) {
		io.WriteString(w, `{"HostKeys":["`)
		sent <- pour(w, bytes.Repeat([]byte("x"), 32<<10), h)
	}))
	n := <-sent
	t.Logf("sent %d bytes, heap grew by %d", n, h.growth())
	if n >= endless || h.growth() > smallHeap {
		t.Fatalf("a line without an end: %d bytes were taken, and the heap grew by %d, want at most %d", n, h.growth(), smallHeap)
	}
	ends(t, s)
}

func TestHelloWithoutEnd(t *testing.T) {
	_, socket := hostileNode(t)
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	h := newHeap()
	n := pour(c, bytes.Repeat([]byte("x"), 64<<10), h)
	t.Logf("sent %d bytes, heap grew by %d", n, h.growth())
	if n >= endless || h.growth() > smallHeap {
		t.Errorf("a greeting without an end: %d bytes were taken, and the heap grew by %d", n, h.growth())
	}
}

// testKey is a public key, another for each i.
func testKey(t *testing.T, i int) string {
	t.Helper()
	seed := make([]byte, ed25519.SeedSize)
	binary.BigEndian.PutUint64(seed, uint64(i))
	signer, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(seed))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
}

func TestHostKeysAreFew(t *testing.T) {
	n, socket := hostileNode(t)
	keys := []string{
		testKey(t, 0) + "\n@cert-authority * " + testKey(t, 1),
		"no key", strings.Repeat("ssh-rsa ", 1<<10), "\x1b[2J",
	}
	for i := range 500 {
		keys = append(keys, testKey(t, i))
	}
	state, err := json.Marshal(wire.GuestState{HostKeys: keys, Ready: true, Shutdown: "\x1b]0;owned\a"})
	if err != nil || len(state) >= wire.MaxGuestLine {
		t.Fatal(len(state), err)
	}
	pretend(t, socket, says(func(w io.Writer) { w.Write(append(state, '\n')) }))
	waitFor(t, "guest that is ready", func() bool { l := n.agent.guests.list(); return len(l) == 1 && l[0].Ready })
	g := n.agent.guests.list()[0]
	if len(g.HostKeys) > wire.MaxHostKeys || len(g.HostKeys) == 0 || g.HostKeys[0] != testKey(t, 0) || g.Shutdown != "" {
		t.Errorf("%d keys, the first %q, shutdown %q; want at most %d keys, each as it is and nothing else",
			len(g.HostKeys), g.HostKeys[0], g.Shutdown, wire.MaxHostKeys)
	}
}

// A storm of states is passed on at the guest's pace, and the last of it arrives.
func TestStormOfStates(t *testing.T) {
	n, socket := hostileNode(t)
	passed, last := 0, testKey(t, 999)
	began := time.Now()
	pretend(t, socket, says(func(w io.Writer) {
		for i := range 1000 {
			json.NewEncoder(w).Encode(wire.GuestState{HostKeys: []string{testKey(t, i)}, Ready: i == 999})
		}
	}))
	for seen := ""; seen != last; {
		next := n.agent.changes.wait()
		for _, g := range n.agent.guests.list() {
			if len(g.HostKeys) > 0 && g.HostKeys[0] != seen {
				seen = g.HostKeys[0]
				passed++
			}
		}
		if seen == last {
			break
		}
		select {
		case <-next:
		case <-time.After(30 * time.Second):
			t.Fatalf("the last state does not arrive; %d were passed on", passed)
		}
	}
	took := time.Since(began)
	t.Logf("%d states passed on in %v", passed, took)
	if most := guestBurst + 1 + int(took.Seconds()); passed > most {
		t.Errorf("of 1000 states %d were passed on in %v, want at most %d", passed, took, most)
	}
}

// The states of an honest life wait for nothing.
func TestHonestStatesAreNotDelayed(t *testing.T) {
	n, socket := hostileNode(t)
	next := make(chan struct{})
	pretend(t, socket, says(func(w io.Writer) {
		for _, s := range []wire.GuestState{{HostKeys: []string{testKey(t, 1)}}, {Ready: true}, {Ready: true, Shutdown: "reboot"}} {
			json.NewEncoder(w).Encode(s)
			<-next
		}
	}))
	list := n.agent.guests.list
	began := time.Now()
	waitFor(t, "keys", func() bool { l := list(); return len(l) == 1 && len(l[0].HostKeys) == 1 })
	next <- struct{}{}
	waitFor(t, "readiness", func() bool { l := list(); return len(l) == 1 && l[0].Ready })
	next <- struct{}{}
	waitFor(t, "shutdown", func() bool { l := list(); return len(l) == 1 && l[0].Shutdown == "reboot" })
	close(next)
	t.Logf("three states in %v", time.Since(began))
}

func TestGuestThatReconnectsIsPaced(t *testing.T) {
	_, socket := hostileNode(t)
	var heard atomic.Int64
	h := says(func(io.Writer) { heard.Add(1) })
	began := time.Now()
	for range 100 {
		s, err := guestSession(socket, wire.Protocol)
		if err != nil {
			t.Fatal(err)
		}
		before := heard.Load()
		go http.Serve(s, h)
		for heard.Load() == before && !s.IsClosed() {
			runtime.Gosched()
		}
		s.Close()
	}
	took := time.Since(began)
	t.Logf("of 100 connections %d were heard in %v", heard.Load(), took)
	if most := int64(guestBurst + 1 + int(took.Seconds())); heard.Load() > most {
		t.Errorf("of 100 connections %d were heard in %v, want at most %d", heard.Load(), took, most)
	}
}

// frame is a yamux frame's head.
func frame(kind byte, flags uint16, stream, length uint32) []byte {
	b := make([]byte, 12)
	b[1] = kind
	binary.BigEndian.PutUint16(b[2:], flags)
	binary.BigEndian.PutUint32(b[4:], stream)
	binary.BigEndian.PutUint32(b[8:], length)
	return b
}

// What a session's other end may do by yamux' own rules, and a guest must not: each
// sends frames without reading what comes back.
func TestFramesOfSessions(t *testing.T) {
	const syn = 1
	for name, chunk := range map[string]func(i int) []byte{
		"pings": func(i int) []byte { return frame(2, syn, 0, uint32(i)) },
		"streams": func(i int) []byte {
			return append(frame(0, syn, uint32(2*i+1), 64<<10), make([]byte, 64<<10)...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, socket := hostileNode(t)
			c, err := net.Dial("unix", socket)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			fmt.Fprintf(c, `{"Protocol":%d}`+"\n", wire.Protocol)
			h, goroutines, before := newHeap(), 0, runtime.NumGoroutine()
			c.SetWriteDeadline(time.Now().Add(5 * time.Second))
			sent := 0
			for ; sent < 100_000; sent++ {
				if _, err = c.Write(chunk(sent)); err != nil {
					break
				}
				if sent%1000 == 0 {
					goroutines = max(goroutines, runtime.NumGoroutine()-before)
					h.look()
				}
			}
			h.look()
			t.Logf("%d frames, then %v; %d goroutines more, heap grew by %d", sent, err, goroutines, h.growth())
			if err == nil || errors.Is(err, os.ErrDeadlineExceeded) || goroutines > 100 || h.growth() > smallHeap {
				t.Errorf("%d frames were taken, with %d goroutines and %d bytes of heap: want the connection's end", sent, goroutines, h.growth())
			}
		})
	}
}

// Whatever head a guest answers with, who has asked gets a short one.
func TestHeadsOfAnswers(t *testing.T) {
	const early = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
	for name, head := range map[string]func(w io.Writer, h *heap){
		"interim answers": func(w io.Writer, h *heap) { pour(w, bytes.Repeat([]byte(early), 64), h) },
		"a field without end": func(w io.Writer, h *heap) {
			io.WriteString(w, "HTTP/1.1 200 OK\r\nX: ")
			pour(w, bytes.Repeat([]byte("x"), 64<<10), h)
		},
	} {
		t.Run(name, func(t *testing.T) {
			n, socket := hostileNode(t)
			h := newHeap()
			mux := http.NewServeMux()
			mux.Handle("GET "+wire.PathEvents, says(func(w io.Writer) { io.WriteString(w, `{"Ready":true}`+"\n") }))
			mux.HandleFunc("GET "+wire.PathConsole, func(w http.ResponseWriter, _ *http.Request) {
				c, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					return
				}
				defer c.Close()
				head(c, h)
			})
			pretend(t, socket, mux)
			waitFor(t, "guest", func() bool { l := n.agent.guests.list(); return len(l) == 1 && l[0].Ready })
			status, lines := ask(t, n, "/guests/"+string(iWeb)+"/console")
			t.Logf("%s after %d lines, heap grew by %d", status, lines, h.growth())
			if !strings.Contains(status, "502") || lines > 10 || h.growth() > smallHeap {
				t.Errorf("%q after %d lines, and the heap grew by %d; want 502 at once", status, lines, h.growth())
			}
		})
	}
}

// ask makes a request as control does, and returns the status line that is no
// interim one, with the number of lines before it.
func ask(t *testing.T, n *node, path string) (status string, lines int) {
	t.Helper()
	srv := httptest.NewServer(n.agent.routes(t.Context()))
	defer srv.Close()
	c, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: agent\r\n\r\n", path)
	c.SetReadDeadline(time.Now().Add(30 * time.Second))
	r := bufio.NewReader(c)
	for lines < 5000 {
		line, err := r.ReadString('\n')
		if err != nil {
			return err.Error(), lines
		}
		if strings.HasPrefix(line, "HTTP/1.1 ") && !strings.HasPrefix(line, "HTTP/1.1 1") {
			return strings.TrimSpace(line), lines
		}
		lines++
	}
	return "no end", lines
}

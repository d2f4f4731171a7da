package wire

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// FuzzReadFrame reads frames of anything: none is longer than it may be, those of
// a fixed length have it, and what is written is read.
func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{FrameExit, 0, 0, 0, 0})
	f.Add([]byte{FrameExit, 0, 0, 0, 1, 7})
	f.Add([]byte{FrameResize, 0, 0, 0, 2, 1, 2})
	f.Add([]byte{FrameStdout, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{FrameStdout, 0, 0, 0, 3, 'a', 'b'})
	f.Add([]byte("\x01\x00\x00\x00\x02hi\x07\x00\x00\x00\x00\x99\x00\x00\x00\x01x"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r, buf := bytes.NewReader(in), make([]byte, 16)
		for {
			before := r.Len()
			kind, data, err := ReadFrame(r, buf)
			if err != nil {
				return
			}
			if want, fixed := frameLength[kind]; len(data) > MaxFrame || fixed && len(data) != int(want) {
				t.Fatalf("kind %d with %d bytes", kind, len(data))
			}
			var again bytes.Buffer
			if err := WriteFrame(&again, kind, data); err != nil || again.Len() != before-r.Len() {
				t.Fatalf("written anew it has %d bytes, not %d: %v", again.Len(), before-r.Len(), err)
			}
		}
	})
}

// FuzzGuard compares the guard with a reader of whole frames, whatever the pieces
// are in which they come.
func FuzzGuard(f *testing.F) {
	head := func(kind byte, flags uint16, length uint32) []byte {
		b := make([]byte, 12)
		b[1] = kind
		binary.BigEndian.PutUint16(b[2:], flags)
		binary.BigEndian.PutUint32(b[8:], length)
		return b
	}
	f.Add(slices.Concat(head(yamuxData, 2, 3), []byte("abc"), head(yamuxWindow, 0, 1<<31), head(yamuxGoAway, 0, 0)), uint8(1))
	f.Add(slices.Concat(head(yamuxData, 0, 12), head(yamuxPing, 1, 0), head(yamuxWindow, yamuxSYN, 0)), uint8(5))
	f.Add(head(yamuxPing, 1, 9), uint8(200))
	f.Add(head(9, 0, 0), uint8(7))
	f.Fuzz(func(t *testing.T, in []byte, piece uint8) {
		var got []byte
		var err error
		g := Guard(pieces{r: bytes.NewReader(in), size: int(piece) + 1})
		for buf := make([]byte, 64); err == nil; {
			var n int
			n, err = g.Read(buf)
			got = append(got, buf[:n]...)
		}
		good := allowed(in)
		if good == len(in) && (err != io.EOF || !bytes.Equal(got, in)) {
			t.Fatalf("%x is within the rules: %d bytes passed on, %v", in, len(got), err)
		}
		if good < len(in) && (err == io.EOF || len(got) > good+64 || !bytes.HasPrefix(in, got)) {
			t.Fatalf("%x breaks a rule at %d: %d bytes passed on, %v", in, good, len(got), err)
		}
	})
}

// allowed is how many bytes of a guest's there are before a frame that breaks a rule.
func allowed(in []byte) int {
	for at := 0; ; {
		if len(in)-at < 12 {
			return len(in)
		}
		head := in[at : at+12]
		opens := head[1] <= yamuxWindow && binary.BigEndian.Uint16(head[2:])&yamuxSYN != 0
		if opens || head[1] == yamuxPing || head[1] > yamuxGoAway {
			return at
		}
		at += 12
		if head[1] == yamuxData {
			n := int(binary.BigEndian.Uint32(head[8:]))
			if n >= len(in)-at {
				return len(in)
			}
			at += n
		}
	}
}

// pieces is a connection that gives a few bytes at a time.
type pieces struct {
	net.Conn
	r    io.Reader
	size int
}

func (p pieces) Read(b []byte) (int, error) { return p.r.Read(b[:min(len(b), p.size)]) }

const someKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUrmXr4wSX7ER+/c6e3NBG6v52spp0LStCATMcQ5hb8"

// FuzzHostKeys lets nothing through but keys.
func FuzzHostKeys(f *testing.F) {
	f.Add(someKey)
	f.Add(someKey + "\n@cert-authority * " + someKey)
	f.Add(`command="sh" ` + someKey + " \x1b[2J")
	f.Add("@revoked * " + someKey)
	f.Add("ssh-rsa AAAA")
	f.Fuzz(func(t *testing.T, line string) {
		out := HostKeys([]string{line, line})
		if len(out) > 1 {
			t.Fatalf("%q: %q, twice the same", line, out)
		}
		for _, k := range out {
			if _, comment, options, rest, err := ssh.ParseAuthorizedKey([]byte(k)); err != nil || comment != "" || len(options) > 0 || len(rest) > 0 || strings.ContainsAny(k, "\r\n") {
				t.Fatalf("%q: %q is more than a key", line, k)
			}
		}
	})
}

func TestHostKeys(t *testing.T) {
	for _, c := range []struct {
		line string
		want []string
	}{
		{someKey, []string{someKey}},
		{someKey + " comment", []string{someKey}},
		{someKey + "\r\n@cert-authority * " + someKey + "\n", []string{someKey}},
		{"@cert-authority * " + someKey, nil},
		{strings.TrimSuffix(someKey, "8"), nil},
		{someKey + "A", nil},
		{"", nil},
		{"# " + someKey, nil},
		{strings.Repeat("x", 64<<10), nil},
	} {
		if got := HostKeys([]string{c.line}); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.line, got, c.want)
		}
	}
}

func TestLines(t *testing.T) {
	lines := NewLines(strings.NewReader(`{"Ready":true}`+"\n"+`{"HostKeys":["`+strings.Repeat("k", 100)), 100)
	var s GuestState
	if err := lines.Next(&s); err != nil || !s.Ready {
		t.Fatal(s, err)
	}
	if err := lines.Next(&s); !errors.Is(err, bufio.ErrTooLong) {
		t.Errorf("a line of more than 100 bytes: %v", err)
	}
}

// Exchange passes over interim answers and reads a short head only.
func TestExchange(t *testing.T) {
	const early = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
	for _, c := range []struct {
		answer string
		body   string
		err    bool
	}{
		{early + "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("b", 100_000), strings.Repeat("b", 100_000), false},
		{"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nraw", "raw", false},
		{strings.Repeat(early, 1000) + "HTTP/1.1 200 OK\r\n\r\n", "", true},
		{"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", MaxHead) + "\r\n\r\n", "", true},
	} {
		near, far := net.Pipe()
		go func() {
			http.ReadRequest(bufio.NewReader(far))
			io.WriteString(far, c.answer)
			far.Close()
		}()
		req, _ := http.NewRequest("GET", "http://guest/", nil)
		resp, rest, err := Exchange(near, req)
		if (err != nil) != c.err {
			t.Errorf("%.40q...: %v", c.answer, err)
		} else if err == nil {
			body := io.Reader(resp.Body)
			if resp.StatusCode == http.StatusSwitchingProtocols {
				body = rest
			}
			if b, err := io.ReadAll(body); string(b) != c.body {
				t.Errorf("%.40q...: %d bytes %v, want %d", c.answer, len(b), err, len(c.body))
			}
		}
		near.Close()
	}
}

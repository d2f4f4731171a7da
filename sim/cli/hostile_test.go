package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"labsim/sim"
	"labsim/sim/agent/wire"
	"labsim/sim/lab/exercise"
)

// hostileBox is a box whose every stream f writes, as a hostile guest would.
func hostileBox(t *testing.T, f func(w io.Writer)) *box {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+wire.Upgrade+"\r\n\r\n")
		go io.Copy(io.Discard, rw)
		f(conn)
	}))
	t.Cleanup(srv.Close)
	return newBox(srv.URL, "token")
}

func TestExecOfHostileGuest(t *testing.T) {
	for name, c := range map[string]struct {
		frames string
		code   int
		err    bool
		errw   string
	}{
		"an exit without a code":     {"\x03\x00\x00\x00\x00", 0, true, ""},
		"an exit with two codes":     {"\x03\x00\x00\x00\x02\x00\x00", 0, true, ""},
		"a frame of 4 GiB":           {"\x01\xff\xff\xff\xff", 0, true, ""},
		"no frame":                   {"", 0, true, ""},
		"an error that is an escape": {"\x07\x00\x00\x00\x05\x1b[2Jx", 127, false, `\x1b[2Jx` + "\n"},
		"an unknown kind":            {"\x63\x00\x00\x00\x00\x03\x00\x00\x00\x01\x07", 7, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := hostileBox(t, func(w io.Writer) { io.WriteString(w, c.frames) })
			var errw strings.Builder
			code, err := b.exec(t.Context(), "i-1", wire.Exec{Args: []string{"true"}}, nil, io.Discard, &errw)
			if code != c.code || (err != nil) != c.err || errw.String() != c.errw {
				t.Errorf("exit %d, %v, %q; want %d and %q", code, err, errw.String(), c.code, c.errw)
			}
		})
	}
}

// A check reads so much of what a command writes, and no more.
func TestOutputOfChecksIsBounded(t *testing.T) {
	sent := make(chan int, 1)
	b := hostileBox(t, func(w io.Writer) {
		n := 0
		for chunk := make([]byte, wire.MaxFrame); n < 64<<20; n += len(chunk) {
			if wire.WriteFrame(w, wire.FrameStdout, chunk) != nil {
				break
			}
		}
		wire.WriteFrame(w, wire.FrameExit, []byte{0})
		sent <- n
	})
	out, _, err := (&labRegion{box: b}).Run(t.Context(), "i-1", "yes")
	if n := <-sent; len(out) != maxOutput || !errors.Is(err, exercise.ErrTooMuch) || n >= 64<<20 {
		t.Errorf("%d bytes were read of %d sent, %v; want %d", len(out), n, err, maxOutput)
	}
}

// A line end in a host key must not write a second line.
func TestKnownHosts(t *testing.T) {
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUrmXr4wSX7ER+/c6e3NBG6v52spp0LStCATMcQ5hb8"
	got := knownHostsLines([]instance{{ID: "i-1", PrivateIP: "10.0.1.10"}, {ID: "i-2"}}, map[string][]string{
		"i-1": {key + "\n@cert-authority * " + key, "* ssh-rsa AAAA", key + " comment"},
		"i-2": {"@cert-authority * " + key},
	})
	if want := "i-1,10.0.1.10 " + key + "\n"; got != want {
		t.Errorf("known_hosts: %q, want %q", got, want)
	}
}

func TestJSONDrivesNoTerminal(t *testing.T) {
	in := []string{"\x1b[2J\x7f\u009b31m", "gnp\u202eexe", "사용자 지정 <VPC>\n"}
	var out bytes.Buffer
	if err := (&app{out: &out}).printJSON(in); err != nil {
		t.Fatal(err)
	}
	lines := strings.ReplaceAll(out.String(), "\n", "")
	if sim.Printable(lines) != lines || !strings.Contains(lines, "사용자 지정 <VPC>") {
		t.Errorf("printed: %q", out.String())
	}
	var back []string
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || strings.Join(back, "|") != strings.Join(in, "|") {
		t.Errorf("read again it is %q, not %q: %v", back, in, err)
	}
}

// An answer that is no success may hold a guest's words in place of a text.
func TestErrorOfHostileGuest(t *testing.T) {
	for _, body := range []string{"\x1b[2J", `{"Format":"\u001b[2J%s","Args":["\u001b[8m"]}`} {
		err := answerError(&http.Response{Status: "409 Conflict", StatusCode: http.StatusConflict, Body: io.NopCloser(strings.NewReader(body))}, "GET", "console")
		var out strings.Builder
		(&app{err: &out}).explain(err)
		if strings.ContainsRune(out.String(), '\x1b') {
			t.Errorf("printed: %q", out.String())
		}
	}
}

//go:build linux

package agent

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"labsim/sim/agent/wire"
)

// floodingGuest is a first process that connects as often as it can and never says
// who it is. It tells how often it was let in.
func floodingGuest(socket string) error {
	count, err := strconv.Atoi(os.Getenv(floodEnv))
	if err != nil {
		return err
	}
	if _, err := wire.ReadLine(os.Stdin, 100); err != nil {
		return err
	}
	var held []net.Conn
	for range count {
		if c, err := net.Dial("unix", socket); err == nil {
			held = append(held, c)
		}
	}
	open := 0
	for _, c := range held {
		c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		if _, err := c.Read(make([]byte, 1)); os.IsTimeout(err) {
			open++
		}
	}
	fmt.Printf("flooded: %d of %d are open\n", open, len(held))
	io.Copy(io.Discard, os.Stdin)
	return nil
}

// logged takes what is logged during a test.
func logged(t *testing.T) *output {
	o := new(output)
	log.SetOutput(o)
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	return o
}

// A guest whose first process is hostile holds no more connections to the agent
// than its share, makes it write little, and keeps no other guest from connecting.
func TestGuestFlood(t *testing.T) {
	n, _, socket := guestNode(t)
	lines := logged(t)
	goroutines := runtime.NumGoroutine()
	stdout, stop := startGuest(t, n, socket, eniWeb, floodEnv+"=500")
	defer stop()
	waitFor(t, "flood", func() bool { return strings.Contains(stdout.String(), "flooded") })
	var open, count int
	if _, err := fmt.Sscanf(stdout.String(), "flooded: %d of %d", &open, &count); err != nil {
		t.Fatal(stdout)
	}
	more := runtime.NumGoroutine() - goroutines
	t.Logf("%d connections, %d let in, %d goroutines, %d bytes of log", count, open, more, len(lines.String()))
	if open > guestConns || more > 2*guestConns+5 {
		t.Errorf("%d of %d connections stay open, with %d goroutines; want %d at most", open, count, more, guestConns)
	}
	if l := strings.Count(lines.String(), "\n"); l > 110 {
		t.Errorf("%d connections make %d lines of log", count, l)
	}
	began := time.Now()
	startGuest(t, n, socket, eniDB)
	waitFor(t, "honest guest", func() bool { l := n.agent.guests.list(); return len(l) == 1 && l[0].Instance == iDB })
	t.Logf("an honest guest is connected after %v", time.Since(began).Round(time.Millisecond))
}

// An interface has its share of connections to metadata and DNS, whether it says
// something or not, and all others theirs.
func TestMetadataFlood(t *testing.T) {
	needRoot(t)
	n := newNode(t, t.TempDir())
	c := labConfig(1)
	for i := range c.VPCs[0].Metadata { // whose addresses are all this namespace's
		c.VPCs[0].Metadata[i].ENI = eniDB
	}
	c.VPCs[0].Metadata[1].ENI = eniWeb
	if r := n.set(c); len(r.Errors) != 0 {
		t.Fatal(r.Errors)
	}
	share := shares(newBudget(1024).services, serviceConns)[2]
	lines := logged(t)
	for i, addr := range []string{"169.254.169.254:80", "169.254.169.253:53"} {
		if open := n.openOf(t, 5*share, "127.0.0.1", addr); open != share && i == 0 || open > share {
			t.Errorf("%d connections of one interface to %s stay open, want %d", open, addr, share)
		}
		if got := n.instanceID(t, "169.254.169.254"); got != string(iDB) {
			t.Errorf("meanwhile another interface reads %q from the metadata service", got)
		}
	}
	// Whoever sends from addresses that nobody has is one, whatever their number.
	open := 0
	for i := range 5 {
		open += n.openOf(t, share, fmt.Sprintf("127.0.1.%d", i), "169.254.169.254:80")
	}
	if open > share {
		t.Errorf("%d connections of nobody's addresses stay open, want %d at most", open, share)
	}
	if l := strings.Count(lines.String(), "\n"); l > 110 {
		t.Errorf("the flood makes %d lines of log", l)
	}
}

// openOf connects count times and returns how many the other side lets be, until
// the test ends.
func (n *node) openOf(t *testing.T, count int, from, to string) (open int) {
	t.Helper()
	var all []net.Conn
	for range count {
		if c, err := n.dialFrom(t.Context(), from, to); err == nil {
			t.Cleanup(func() { c.Close() })
			all = append(all, c)
		}
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, c := range all {
		wg.Go(func() {
			c.SetReadDeadline(time.Now().Add(time.Second / 2))
			if _, err := c.Read(make([]byte, 1)); os.IsTimeout(err) {
				mu.Lock()
				open++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return open
}

// dialFrom connects from one of the addresses of the VPC's namespace.
func (n *node) dialFrom(ctx context.Context, from, to string) (conn net.Conn, err error) {
	err = n.driver.In(vpcA, func() (err error) {
		d := net.Dialer{Timeout: 5 * time.Second, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))}
		conn, err = d.DialContext(ctx, "tcp", to)
		return err
	})
	return conn, err
}

// instanceID is what the metadata service says to an address.
func (n *node) instanceID(t *testing.T, from string) string {
	t.Helper()
	c := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, to string) (net.Conn, error) { return n.dialFrom(ctx, from, to) }}}
	resp, err := c.Get("http://169.254.169.254/latest/meta-data/instance-id")
	if err != nil {
		t.Error(err)
		return ""
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return string(body)
}

// A client of the metadata service that is slow, too talkative or doesn't read is
// cut off, and a body is not read.
func TestMetadataIsBounded(t *testing.T) {
	needRoot(t)
	n := newNode(t, t.TempDir())
	n.set(labConfig(1))
	for _, c := range []struct {
		name, send, want string
	}{
		{"a long header", "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 2*maxHeader) + "\r\n\r\n", "431"},
		{"a body", "PUT /latest/api/token HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n", "Connection: close"},
		{"an endless body", "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "Connection: close"},
		{"an unfinished header", "GET / HTTP/1.1\r\nHost: x\r\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conn, err := n.dialFrom(context.Background(), "127.0.0.1", "169.254.169.254:80")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			io.WriteString(conn, c.send)
			began := time.Now()
			conn.SetReadDeadline(began.Add(30 * time.Second))
			var answer bytes.Buffer
			_, err = io.Copy(&answer, conn)
			if os.IsTimeout(err) || !strings.Contains(answer.String(), c.want) {
				t.Errorf("after %v: %v, want an end and %q:\n%s", time.Since(began), err, c.want, &answer)
			}
		})
	}
}

// What all guests can take together leaves the agent its own.
func TestBudget(t *testing.T) {
	for _, files := range []int{256, 1024, 20000, 1 << 20} {
		b := newBudget(files)
		if b.guests < 1 || b.services < 4 || b.queries < 4 || b.reserve() < files/4 {
			t.Errorf("%d files: %+v, a reserve of %d", files, b, b.reserve())
		}
	}
}

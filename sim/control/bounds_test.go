package control

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener of connections within the process, on which time is a test's.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// timedServer serves h as control does, and returns what connects to it.
func timedServer(t *testing.T, h http.HandlerFunc) (dial func() net.Conn) {
	l := &pipes{make(chan net.Conn), make(chan struct{})}
	srv := httpServer(t.Context(), h, slog.New(slog.DiscardHandler))
	go srv.Serve(l)
	t.Cleanup(func() { close(l.done); srv.Close() })
	return func() net.Conn {
		near, far := net.Pipe()
		l.conns <- far
		t.Cleanup(func() { near.Close() })
		return near
	}
}

func readAll(w http.ResponseWriter, r *http.Request) {
	if _, err := io.ReadAll(r.Body); err != nil {
		w.WriteHeader(http.StatusRequestTimeout)
	}
}

// A request that comes in drops is cut: its head after headerTimeout, its body
// after bodyTimeout.
func TestSlowRequestIsCut(t *testing.T) {
	for _, c := range []struct {
		name, begin string
		within      time.Duration
	}{
		{"head", "POST / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", headerTimeout},
		{"body", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n", bodyTimeout},
		{"chunks", "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n", bodyTimeout},
		{"body of the box", "POST /_labsim/trace HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n", bodyTimeout},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := timedServer(t, readAll)()
				began := time.Now()
				var writer sync.WaitGroup
				writer.Go(func() {
					_, err := io.WriteString(conn, c.begin)
					for err == nil && time.Since(began) < time.Hour {
						time.Sleep(time.Second)
						_, err = io.WriteString(conn, "x")
					}
				})
				io.Copy(io.Discard, conn)
				conn.Close()
				writer.Wait()
				if took := time.Since(began); took > c.within+2*time.Second {
					t.Errorf("it was cut after %v, want %v", took, c.within)
				}
			})
		})
	}
}

// A body that nobody reads is cut too, as that of a request without the token.
func TestUnreadBodyIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := timedServer(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusUnauthorized) })()
		began := time.Now()
		go io.WriteString(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n")
		io.Copy(io.Discard, conn)
		if took := time.Since(began); took > bodyTimeout+2*time.Second {
			t.Errorf("it was cut after %v, want %v", took, bodyTimeout)
		}
	})
}

// Nothing ends a stream of the box that is looked at, and one that nobody reads
// for a while goes on. An answer of the API has to be taken.
func TestStreamGoesOn(t *testing.T) {
	const lines = 100
	slowly := func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		for range lines {
			time.Sleep(time.Minute)
			fmt.Fprintln(w, "still here")
			if http.NewResponseController(w).Flush() != nil {
				return
			}
		}
	}
	for path, ended := range map[string]bool{"/_labsim/status": false, "/": true} {
		t.Run(path, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var handler sync.WaitGroup
				handler.Add(1)
				conn := timedServer(t, func(w http.ResponseWriter, r *http.Request) { defer handler.Done(); slowly(w, r) })()
				go io.WriteString(conn, "POST "+path+" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
				got := 0
				for sc := bufio.NewScanner(conn); sc.Scan(); {
					if got += strings.Count(sc.Text(), "still here"); got == 1 {
						time.Sleep(10 * time.Minute) // the reader is at lunch
					}
				}
				handler.Wait()
				if ended != (got <= 1) || !ended && got != lines {
					t.Errorf("%d lines of %d came", got, lines)
				}
			})
		})
	}
}

func TestLongHeadIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := timedServer(t, readAll)()
		go io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: "+strings.Repeat("x", 100<<10)+"\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		io.Copy(io.Discard, conn) // until the server has ended, too
		if err != nil || resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("%v, %v; want 431", resp, err)
		}
	})
}

// Who opens connections without end gets so many, and the port works again as
// soon as they are gone.
func TestConnectionsAreBounded(t *testing.T) {
	b := start(t, simulated())
	var held []net.Conn
	for range maxConnections {
		c, err := net.Dial("tcp", b.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		held = append(held, c)
	}
	for range 10 {
		c, err := net.Dial("tcp", b.addr)
		if err == nil {
			c.SetReadDeadline(time.Now().Add(5 * time.Second))
			_, err = c.Read(make([]byte, 1))
			c.Close()
		}
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("connection %d: %v, want a reset", maxConnections+1, err)
		}
	}
	for _, c := range held {
		c.Close()
	}
	b.eventually("the port answers", func() bool {
		req, _ := http.NewRequest("GET", "http://"+b.addr+BoxPath+"version", nil)
		resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusUnauthorized
	})
}

package main

import (
	"io"
	"net"
	"testing"
	"time"
)

// The traffic tool measures itself over loopback: every byte that it counts has
// crossed a socket, and an order to nobody is an error.
func TestTraffic(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); serveOne(c) }()
		}
	}()
	addr := l.Addr().String()
	m, err := order{To: addr, Stream: 20 * time.Millisecond, Echoes: 50}.send(addr)
	if err != nil || m.BitsPerSecond <= 0 || m.P50 <= 0 || m.P99 < m.P50 {
		t.Errorf("%+v, %v", m, err)
	}
	gone, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	if _, err := (order{To: gone.Addr().String(), Stream: time.Millisecond, Echoes: 1}).send(addr); err == nil {
		t.Error("an order to nobody was carried out")
	}
}

// Only an SSH banner counts: an open port is none.
func TestKnock(t *testing.T) {
	for said, want := range map[string]bool{"SSH-2.0-x\r\n": true, "HTTP/1.1": false} {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			if c, err := l.Accept(); err == nil {
				_, _ = io.WriteString(c, said)
				c.Close()
			}
		}()
		if got := knock(t.Context(), l.Addr().String()); got != want {
			t.Errorf("%q: %v, want %v", said, got, want)
		}
		l.Close()
	}
}

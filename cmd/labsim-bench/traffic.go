package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"time"
)

// The bench's own binary is the traffic tool on both sides: a server that takes
// streams, echoes, and drives another one when it is asked to, so that the same
// program at the same place measures both networks.

const (
	trafficVerb = "traffic" // hidden: labsim-bench traffic
	trafficPort = "5201"
	// what a connection is for, its first byte
	takeStream = 'S'
	takeEcho   = 'E'
	takeOrder  = 'O'

	echoSize    = 64
	streamWrite = 128 << 10
)

// order asks a server to measure the way to another one.
type order struct {
	To     string // host:port
	Stream time.Duration
	Echoes int
}

// measured answers an order.
type measured struct {
	BitsPerSecond float64
	P50, P99      time.Duration
	Error         string `json:",omitempty"`
}

func serveTraffic() int {
	l, err := net.Listen("tcp4", ":"+trafficPort)
	if err != nil {
		fmt.Fprintln(os.Stderr, "labsim-bench traffic:", err)
		return 1
	}
	fmt.Println("listening on", l.Addr())
	for {
		c, err := l.Accept()
		if err != nil {
			fmt.Fprintln(os.Stderr, "labsim-bench traffic:", err)
			return 1
		}
		go func() {
			defer c.Close()
			serveOne(c)
		}()
	}
}

func serveOne(c net.Conn) {
	var what [1]byte
	if _, err := io.ReadFull(c, what[:]); err != nil {
		return
	}
	switch what[0] {
	case takeStream:
		// The receiver says how much has come: what the sender has written may
		// still be in a buffer.
		b, n := make([]byte, streamWrite), int64(0)
		for {
			k, err := c.Read(b)
			if n += int64(k); err != nil {
				break
			}
		}
		fmt.Fprintln(c, n)
	case takeEcho:
		f, err := still(c)
		if err != nil {
			return
		}
		defer f.Close()
		b := make([]byte, echoSize)
		for {
			if _, err := io.ReadFull(f, b); err != nil {
				return
			}
			if _, err := f.Write(b); err != nil {
				return
			}
		}
	case takeOrder:
		var o order
		if err := json.NewDecoder(c).Decode(&o); err != nil {
			return
		}
		m, err := o.carryOut()
		if err != nil {
			m.Error = err.Error()
		}
		_ = json.NewEncoder(c).Encode(m)
	}
}

func (o order) carryOut() (m measured, err error) {
	if m.BitsPerSecond, err = stream(o.To, o.Stream); err != nil {
		return m, fmt.Errorf("stream to %s: %w", o.To, err)
	}
	times, err := echo(o.To, o.Echoes)
	if err != nil {
		return m, fmt.Errorf("echo from %s: %w", o.To, err)
	}
	m.P50, m.P99 = times[len(times)/2], times[len(times)*99/100]
	return m, nil
}

func dialTraffic(addr string, what byte) (net.Conn, error) {
	c, err := net.DialTimeout("tcp4", addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	_, err = c.Write([]byte{what})
	return c, err
}

// stream sends for so long and returns the bits per second that arrived.
func stream(addr string, d time.Duration) (float64, error) {
	c, err := dialTraffic(addr, takeStream)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	b := make([]byte, streamWrite)
	began := time.Now()
	for time.Since(began) < d {
		if _, err := c.Write(b); err != nil {
			return 0, err
		}
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return 0, err
	}
	var n int64
	if _, err := fmt.Fscan(bufio.NewReader(c), &n); err != nil {
		return 0, err
	}
	return float64(n) * 8 / time.Since(began).Seconds(), nil
}

// echo sends so many small messages, one after the other, and returns how long
// each took there and back, sorted.
func echo(addr string, n int) ([]time.Duration, error) {
	c, err := dialTraffic(addr, takeEcho)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var times []time.Duration
	done := make(chan error)
	go func() { done <- roundTrips(c, n, &times) }() // it ends with its thread
	if err := <-done; err != nil {
		return nil, err
	}
	slices.Sort(times)
	return times, nil
}

func roundTrips(c net.Conn, n int, times *[]time.Duration) error {
	f, err := still(c)
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, echoSize)
	for range n {
		began := time.Now()
		if _, err := f.Write(b); err != nil {
			return err
		}
		if _, err := io.ReadFull(f, b); err != nil {
			return err
		}
		*times = append(*times, time.Since(began))
	}
	return nil
}

// still returns the connection for a goroutine that waits in the kernel, on the CPU of
// the other side. Else the scheduler decides what is measured: between two CPUs, one of
// them asleep, the same round trip takes four times as long.
func still(c net.Conn) (*os.File, error) {
	f, err := c.(*net.TCPConn).File()
	if err != nil {
		return nil, err
	}
	f.Fd() // from now on it blocks
	if err := pin(); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// send hands an order to the server at addr and waits for what it measured.
func (o order) send(addr string) (m measured, err error) {
	c, err := dialTraffic(addr, takeOrder)
	if err != nil {
		return m, err
	}
	defer c.Close()
	if err := json.NewEncoder(c).Encode(o); err != nil {
		return m, err
	}
	if err := json.NewDecoder(c).Decode(&m); err != nil {
		return m, err
	}
	if m.Error != "" {
		return m, fmt.Errorf("%s", m.Error)
	}
	return m, nil
}

package nets

import (
	"context"
	"net"
	"os/exec"
	"strings"
	"sync"
	"time"
)

func (n *nc) server(args []string) int {
	host, port := n.source, n.port
	switch {
	case n.unix && len(args) == 1:
		host = args[0]
	case len(args) == 1 && port == "":
		port = args[0]
	case len(args) == 2 && port == "":
		host, port = args[0], args[1]
	case len(args) > 0 && port == "", port == "" && !n.unix:
		return n.call.Usage("-l [-k] [-p] PORT [-e PROG]")
	}
	address := net.JoinHostPort(host, port)
	if n.unix {
		address = host
	}
	if n.udp {
		return n.serverUDP(address)
	}
	// Port reuse lets `nc -l` in a loop come back at once.
	lc := net.ListenConfig{}
	l, err := lc.Listen(context.Background(), n.network, address)
	if err != nil {
		return n.call.Fail("bind: %s", reason(err))
	}
	defer l.Close()
	n.say("Listening on %s", l.Addr())
	if n.wait > 0 && !n.keep {
		if t, ok := l.(*net.TCPListener); ok {
			t.SetDeadline(time.Now().Add(n.wait))
		}
	}
	var running sync.WaitGroup
	defer running.Wait()
	for {
		conn, err := l.Accept()
		if err != nil {
			return n.call.Fail("accept: %s", reason(err))
		}
		n.say("Connection from %s", conn.RemoteAddr())
		if !n.keep {
			l.Close()
			return n.serve(conn)
		}
		if n.program == nil {
			n.serve(conn) // one input: one at a time
			continue
		}
		running.Go(func() { n.serve(conn) })
	}
}

func (n *nc) serve(conn net.Conn) int {
	defer conn.Close()
	if n.zero {
		return 0
	}
	return n.talk(conn)
}

// serverUDP talks to whoever sends the first datagram; with -k it prints what
// anybody sends.
func (n *nc) serverUDP(address string) int {
	pc, err := net.ListenPacket(n.network, address)
	if err != nil {
		return n.call.Fail("bind: %s", reason(err))
	}
	defer pc.Close()
	n.say("Listening on %s", pc.LocalAddr())
	buf := make([]byte, 64<<10)
	answer := make(chan net.Addr, 1)
	go n.answerUDP(pc, answer)
	known := false
	for {
		if n.wait > 0 && (known || !n.keep) {
			pc.SetReadDeadline(time.Now().Add(n.wait))
		}
		size, from, err := pc.ReadFrom(buf)
		if err != nil {
			return 0
		}
		if !known {
			n.say("Connection from %s", from)
		}
		if n.program != nil {
			n.programUDP(pc, from, buf[:size])
			if !n.keep {
				return 0
			}
			continue
		}
		if !known {
			answer <- from
			known = true
		}
		n.call.Out.Write(buf[:size])
	}
}

func (n *nc) answerUDP(pc net.PacketConn, answer <-chan net.Addr) {
	to := <-answer
	buf := make([]byte, 16<<10)
	for {
		size, err := n.call.In.Read(buf)
		if size > 0 {
			pc.WriteTo(buf[:size], to)
		}
		if err != nil {
			return
		}
	}
}

// programUDP runs the program for one datagram and sends back what it prints.
func (n *nc) programUDP(pc net.PacketConn, from net.Addr, data []byte) {
	cmd := exec.Command(n.program[0], n.program[1:]...)
	cmd.Stdin, cmd.Stderr = strings.NewReader(string(data)), n.call.Err
	out, _ := cmd.Output()
	if len(out) > 0 {
		pc.WriteTo(out, from)
	}
}

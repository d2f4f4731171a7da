package nets

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"labsim/sim/guest/applet"
)

// nc is one call of netcat.
type nc struct {
	call    *applet.Call
	udp     bool
	unix    bool
	verbose bool
	listen  bool
	keep    bool
	zero    bool
	noIn    bool
	network string
	source  string
	port    string
	program []string
	wait    time.Duration // -w: to connect, and of silence afterwards; 0 is for ever
	quit    time.Duration // -q: after the end of the input; <0 is never
}

// netcat knows the flags of BusyBox' and OpenBSD's nc that are in use: -l, -p,
// -u, -U, -z, -w, -k, -v, -n, -q, -N, -s, -4, -6, -d, -e PROG.
func netcat(c *applet.Call) int {
	n := &nc{call: c, network: "tcp", quit: -1}
	// -e takes the rest of the line, as in BusyBox.
	for i, a := range c.Args {
		if a == "-e" || a == "-c" || len(a) > 1 && a[0] == '-' && a[1] != '-' && strings.HasSuffix(a, "e") && !strings.ContainsAny(a[1:len(a)-1], "pwsq") {
			n.program = c.Args[i+1:]
			if a == "-c" && len(n.program) > 0 {
				n.program = append([]string{"/bin/sh", "-c"}, n.program...)
			}
			c.Args = append(append([]string{}, c.Args[:i]...), strings.TrimRight(strings.TrimSuffix(strings.TrimSuffix(a, "e"), "c"), ""))
			if c.Args[i] == "-" {
				c.Args = c.Args[:i]
			}
			if len(n.program) == 0 {
				return c.Usage("-e PROG [ARG...]")
			}
			break
		}
	}
	f, ok := c.Parse("lp:uUzw:kvns:q:N46dti:rCo:", "listen=l", "source-port=p", "udp=u", "keep-open=k", "verbose=v", "wait=w")
	if !ok {
		return 1
	}
	n.udp, n.unix, n.verbose, n.listen, n.keep, n.zero, n.noIn = f.Has('u'), f.Has('U'), f.Has('v'), f.Has('l'), f.Has('k'), f.Has('z'), f.Has('d')
	n.source, n.port = f.Get('s', ""), f.Get('p', "")
	if err := n.times(f); err != nil {
		return c.Fail("%v", err)
	}
	switch {
	case n.unix:
		n.network = "unix"
	case n.udp:
		n.network = "udp"
	}
	if !n.unix {
		if f.Has('4') {
			n.network += "4"
		} else if f.Has('6') {
			n.network += "6"
		}
	}
	if n.listen {
		return n.server(c.Args)
	}
	return n.client(c.Args)
}

func (n *nc) times(f applet.Flags) error {
	if f.Has('w') {
		s, err := strconv.ParseFloat(f.Get('w', ""), 64)
		if err != nil || s < 0 {
			return fmt.Errorf("invalid number '%s'", f.Get('w', ""))
		}
		n.wait = time.Duration(s * float64(time.Second))
	}
	if f.Has('N') {
		n.quit = 0
	}
	if f.Has('q') {
		s, err := strconv.Atoi(f.Get('q', ""))
		if err != nil {
			return fmt.Errorf("invalid number '%s'", f.Get('q', ""))
		}
		n.quit = time.Duration(s) * time.Second
	}
	return nil
}

func (n *nc) say(format string, args ...any) {
	if n.verbose {
		fmt.Fprintf(n.call.Err, format+"\n", args...)
	}
}

// client connects; with several ports (-z HOST 20-30) to one after the other.
func (n *nc) client(args []string) int {
	if n.unix && len(args) == 1 {
		return n.dial(args[0], "")
	}
	if len(args) < 2 {
		return n.call.Usage("[-uvzn] [-w SECONDS] HOST PORT | -l [-k] [-p] PORT [-e PROG]")
	}
	ports, err := portList(args[1:])
	if err != nil {
		return n.call.Fail("%v", err)
	}
	status := 1
	for _, p := range ports {
		if n.dial(net.JoinHostPort(args[0], p), p) == 0 {
			status = 0
		}
	}
	return status
}

func portList(args []string) ([]string, error) {
	var ports []string
	for _, a := range args {
		from, to, isRange := strings.Cut(a, "-")
		lo, err := strconv.Atoi(from)
		if err != nil || !isRange {
			ports = append(ports, a) // perhaps a service's name
			continue
		}
		hi, err := strconv.Atoi(to)
		if err != nil || lo < 1 || hi > 65535 || lo > hi {
			return nil, fmt.Errorf("bad port range '%s'", a)
		}
		for p := lo; p <= hi; p++ {
			ports = append(ports, strconv.Itoa(p))
		}
	}
	return ports, nil
}

func (n *nc) dial(address, port string) int {
	d := net.Dialer{Timeout: n.wait}
	if n.source != "" || n.port != "" {
		local := net.JoinHostPort(n.source, n.port)
		if n.port == "" {
			local = net.JoinHostPort(n.source, "0")
		}
		if n.udp {
			d.LocalAddr, _ = net.ResolveUDPAddr(n.network, local)
		} else {
			d.LocalAddr, _ = net.ResolveTCPAddr(n.network, local)
		}
	}
	conn, err := d.Dial(n.network, address)
	if err == nil && n.udp && n.zero {
		err = probeUDP(conn)
	}
	if err != nil {
		if n.verbose || !n.zero {
			n.call.Fail("%s: %v", address, reason(err))
		}
		return 1
	}
	defer conn.Close()
	n.say("Connection to %s succeeded!", conn.RemoteAddr())
	if n.zero {
		return 0
	}
	return n.talk(conn)
}

// probeUDP sends a byte and waits a little for the refusal (ICMP) of a closed port.
func probeUDP(conn net.Conn) error {
	if _, err := conn.Write([]byte{'\n'}); err != nil {
		return err
	}
	conn.SetReadDeadline(time.Now().Add(time.Second))
	if _, err := conn.Read(make([]byte, 1)); errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return nil
}

// reason is the innermost error's text, as other tools print it.
func reason(err error) string {
	var t interface{ Timeout() bool }
	var no syscall.Errno
	var dns *net.DNSError
	switch {
	case errors.As(err, &no) && no != 0:
		s := no.Error()
		return strings.ToUpper(s[:1]) + s[1:]
	case errors.As(err, &dns):
		return "bad address '" + dns.Name + "'"
	case errors.As(err, &t) && t.Timeout():
		return "Connection timed out"
	}
	return err.Error()
}

// talk connects conn with our streams or with the program.
func (n *nc) talk(conn net.Conn) int {
	if n.program != nil {
		return n.serveProgram(conn)
	}
	received := make(chan struct{})
	go func() {
		defer close(received)
		io.Copy(n.call.Out, &idleReader{conn, n.wait})
	}()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		if !n.noIn {
			io.Copy(conn, n.call.In)
		}
		if half, ok := conn.(interface{ CloseWrite() error }); ok && !n.noIn {
			half.CloseWrite()
		}
	}()
	select {
	case <-received:
		n.finishSending(sent)
		return 0
	case <-sent:
	}
	var quit <-chan time.Time
	if n.quit >= 0 {
		quit = time.After(n.quit)
	} else if n.udp && n.wait == 0 {
		quit = time.After(time.Second) // nothing tells the end of an exchange by UDP
	}
	select {
	case <-received:
	case <-quit:
	}
	return 0
}

// finishSending: what waits in a pipe still goes out; nobody has to press a key.
func (n *nc) finishSending(sent <-chan struct{}) {
	if f, ok := n.call.In.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return
	}
	select {
	case <-sent:
	case <-time.After(300 * time.Millisecond):
	}
}

// idleReader ends after that much silence.
type idleReader struct {
	net.Conn
	idle time.Duration
}

func (r *idleReader) Read(p []byte) (int, error) {
	if r.idle > 0 {
		r.SetReadDeadline(time.Now().Add(r.idle))
	}
	return r.Conn.Read(p)
}

// serveProgram gives the connection to a program as its streams.
func (n *nc) serveProgram(conn net.Conn) int {
	cmd := exec.Command(n.program[0], n.program[1:]...)
	cmd.Stderr = n.call.Err
	if f, ok := conn.(interface{ File() (*os.File, error) }); ok {
		file, err := f.File()
		if err != nil {
			return n.call.Fail("%v", err)
		}
		defer file.Close()
		syscall.SetNonblock(int(file.Fd()), false) // programs expect it so
		cmd.Stdin, cmd.Stdout = file, file
	} else {
		cmd.Stdin, cmd.Stdout = conn, conn
	}
	if host, port, err := net.SplitHostPort(conn.RemoteAddr().String()); err == nil {
		cmd.Env = append(os.Environ(), "NCAT_REMOTE_ADDR="+host, "NCAT_REMOTE_PORT="+port)
	}
	if err := cmd.Start(); err != nil {
		return n.call.Fail("%s: %v", n.program[0], applet.Cause(err))
	}
	conn.Close() // the program has it; its end is the connection's
	cmd.Wait()
	return cmd.ProcessState.ExitCode()
}

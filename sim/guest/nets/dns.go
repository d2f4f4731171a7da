package nets

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"

	"labsim/sim/guest/applet"
)

// query asks server (or the first of resolv.conf).
func query(server, name string, kind uint16, tcp bool, wait time.Duration) (*dns.Msg, string, time.Duration, error) {
	if server == "" {
		cfg, err := dns.ClientConfigFromFile("/etc/resolv.conf")
		if err != nil {
			return nil, "", 0, err
		}
		if len(cfg.Servers) == 0 {
			return nil, "", 0, fmt.Errorf("no name server in /etc/resolv.conf")
		}
		server = cfg.Servers[0]
	}
	if net.ParseIP(server) == nil {
		addrs, err := net.DefaultResolver.LookupHost(context.Background(), server)
		if err != nil {
			return nil, "", 0, err
		}
		server = addrs[0]
	}
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), kind)
	m.SetEdns0(1232, false)
	c := &dns.Client{Timeout: wait}
	if tcp {
		c.Net = "tcp"
	}
	at := net.JoinHostPort(server, "53")
	answer, took, err := c.Exchange(m, at)
	if err == nil && answer.Truncated && !tcp {
		c.Net = "tcp"
		answer, took, err = c.Exchange(m, at)
	}
	return answer, server, took, err
}

// dig is `dig [@SERVER] [+short] [+tcp] [-x ADDRESS] [NAME] [TYPE]`.
func dig(c *applet.Call) int {
	server, name, kind := "", "", dns.TypeA
	short, tcp, noall, answerOnly := false, false, false, false
	wait := 5 * time.Second
	for i := 0; i < len(c.Args); i++ {
		a := c.Args[i]
		switch {
		case a[0:1] == "@":
			server = a[1:]
		case a == "+short":
			short = true
		case a == "+tcp", a == "+vc":
			tcp = true
		case a == "+noall":
			noall = true
		case a == "+answer":
			answerOnly = true
		case strings.HasPrefix(a, "+time="):
			if d, err := seconds(a[6:]); err == nil {
				wait = d
			}
		case strings.HasPrefix(a, "+"), a == "-4":
		case (a == "-x" || a == "-t") && i+1 < len(c.Args):
			i++
			if a == "-t" {
				kind = dns.StringToType[strings.ToUpper(c.Args[i])]
				continue
			}
			reverse, err := dns.ReverseAddr(c.Args[i])
			if err != nil {
				return c.Fail("%v", err)
			}
			name, kind = reverse, dns.TypePTR
		case dns.StringToType[strings.ToUpper(a)] != 0 && name != "":
			kind = dns.StringToType[strings.ToUpper(a)]
		case strings.HasPrefix(a, "-"):
			return c.Fail("invalid option %s", a)
		default:
			name = a
		}
	}
	if name == "" {
		name, kind = ".", dns.TypeNS
	}
	m, at, took, err := query(server, name, kind, tcp, wait)
	if err != nil {
		fmt.Fprintf(c.Out, ";; connection timed out; no servers could be reached: %v\n", err)
		return 9
	}
	switch {
	case short:
		for _, rr := range m.Answer {
			fmt.Fprintln(c.Out, value(rr))
		}
	case noall && answerOnly:
		for _, rr := range m.Answer {
			fmt.Fprintln(c.Out, rr)
		}
	case !noall:
		fmt.Fprintf(c.Out, "\n; <<>> dig (labsim) <<>> %s\n%v\n;; Query time: %d msec\n;; SERVER: %s#53(%s)\n;; WHEN: %s\n;; MSG SIZE  rcvd: %d\n\n",
			strings.Join(c.Args, " "), m, took.Milliseconds(), at, at, time.Now().Format("Mon Jan 02 15:04:05 MST 2006"), m.Len())
	}
	return 0
}

// value is the part of a record behind its header.
func value(rr dns.RR) string { return strings.TrimPrefix(rr.String(), rr.Header().String()) }

// simpleQuery reads `NAME|ADDRESS [SERVER]` and asks with the search domains.
func simpleQuery(c *applet.Call) (m *dns.Msg, server string, err error) {
	name, kind := c.Args[0], dns.TypeA
	if len(c.Args) > 1 {
		server = c.Args[1]
	}
	if reverse, rerr := dns.ReverseAddr(name); rerr == nil {
		name, kind = reverse, dns.TypePTR
	}
	names := []string{name}
	if cfg, cerr := dns.ClientConfigFromFile("/etc/resolv.conf"); cerr == nil && kind == dns.TypeA {
		names = cfg.NameList(name)
	}
	at := server
	for _, n := range names {
		m, at, _, err = query(server, n, kind, false, 5*time.Second)
		if err != nil || m.Rcode == dns.RcodeSuccess && len(m.Answer) > 0 {
			break
		}
	}
	return m, at, err
}

func nslookup(c *applet.Call) int {
	if len(c.Args) == 0 {
		return c.Usage("NAME [SERVER]")
	}
	name := c.Args[0]
	m, server, err := simpleQuery(c)
	if err != nil {
		fmt.Fprintf(c.Out, ";; connection timed out; no servers could be reached\n")
		return 1
	}
	fmt.Fprintf(c.Out, "Server:\t\t%s\nAddress:\t%s#53\n\n", server, server)
	if len(m.Answer) == 0 {
		fmt.Fprintf(c.Out, "** server can't find %s: %s\n", name, dns.RcodeToString[m.Rcode])
		return 1
	}
	for _, rr := range m.Answer {
		switch rr := rr.(type) {
		case *dns.A:
			fmt.Fprintf(c.Out, "Name:\t%s\nAddress: %s\n", strings.TrimSuffix(rr.Hdr.Name, "."), rr.A)
		case *dns.PTR:
			fmt.Fprintf(c.Out, "%s\tname = %s\n", strings.TrimSuffix(rr.Hdr.Name, "."), rr.Ptr)
		default:
			fmt.Fprintln(c.Out, rr)
		}
	}
	return 0
}

func host(c *applet.Call) int {
	if len(c.Args) == 0 {
		return c.Usage("NAME [SERVER]")
	}
	name := c.Args[0]
	m, _, err := simpleQuery(c)
	if err != nil {
		fmt.Fprintln(c.Out, ";; connection timed out; no servers could be reached")
		return 1
	}
	if len(m.Answer) == 0 {
		fmt.Fprintf(c.Out, "Host %s not found: %s\n", name, dns.RcodeToString[m.Rcode])
		return 1
	}
	for _, rr := range m.Answer {
		owner := strings.TrimSuffix(rr.Header().Name, ".")
		switch rr := rr.(type) {
		case *dns.A:
			fmt.Fprintf(c.Out, "%s has address %s\n", owner, rr.A)
		case *dns.PTR:
			fmt.Fprintf(c.Out, "%s domain name pointer %s\n", owner, rr.Ptr)
		case *dns.CNAME:
			fmt.Fprintf(c.Out, "%s is an alias for %s\n", owner, rr.Target)
		}
	}
	return 0
}

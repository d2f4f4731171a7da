package nets

import (
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"labsim/sim/guest/applet"
)

var tcpStates = map[string]string{"01": "ESTAB", "02": "SYN-SENT", "03": "SYN-RECV", "04": "FIN-WAIT-1", "05": "FIN-WAIT-2", "06": "TIME-WAIT",
	"07": "CLOSE", "08": "CLOSE-WAIT", "09": "LAST-ACK", "0A": "LISTEN", "0B": "CLOSING"}

// ss is `ss [-tulnap]`, and netstat with the same flags, from /proc/net.
func ss(c *applet.Call) int {
	f, ok := c.Parse("tulnapesx46oriW", "tcp=t", "udp=u", "listening=l", "numeric=n", "all=a", "processes=p")
	if !ok {
		return 1
	}
	if f.Has('r') && c.Name == "netstat" {
		return routeTable(c)
	}
	both := !f.Has('t') && !f.Has('u')
	owners := map[string]string{}
	if f.Has('p') {
		owners = socketOwners()
	}
	fmt.Fprintf(c.Out, "%-5s %-11s %-6s %-6s %-25s %-25s %s\n", "Netid", "State", "Recv-Q", "Send-Q", "Local Address:Port", "Peer Address:Port", "Process")
	for _, file := range []string{"tcp", "tcp6", "udp", "udp6"} {
		kind := strings.TrimSuffix(file, "6")
		if !both && !f.Has(kind[0]) || f.Has('4') && file != kind || f.Has('6') && file == kind {
			continue
		}
		data, err := os.ReadFile("/proc/net/" + file)
		if err != nil {
			continue
		}
		for _, line := range strings.Split(string(data), "\n") {
			printSocket(c, f, kind, line, owners)
		}
	}
	return 0
}

func printSocket(c *applet.Call, f applet.Flags, kind, line string, owners map[string]string) {
	p := strings.Fields(line)
	if len(p) < 10 || p[0] == "sl" {
		return
	}
	state := tcpStates[p[3]]
	listening := state == "LISTEN"
	if kind == "udp" {
		listening = state == "CLOSE"
		if listening {
			state = "UNCONN"
		}
	}
	if f.Has('l') && !listening || !f.Has('l') && !f.Has('a') && listening {
		return
	}
	send, receive, _ := strings.Cut(p[4], ":")
	number := func(s string) int64 { n, _ := strconv.ParseInt(s, 16, 64); return n }
	fmt.Fprintf(c.Out, "%-5s %-11s %-6d %-6d %-25s %-25s %s\n", kind, state, number(receive), number(send), endpoint(p[1]), endpoint(p[2]), owners[p[9]])
}

// endpoint reads "0100007F:0016": words of the host's byte order.
func endpoint(s string) string {
	address, port, _ := strings.Cut(s, ":")
	b, _ := hex.DecodeString(address)
	for i := 0; i+4 <= len(b); i += 4 {
		b[i], b[i+1], b[i+2], b[i+3] = b[i+3], b[i+2], b[i+1], b[i]
	}
	n, _ := strconv.ParseUint(port, 16, 16)
	ip := net.IP(b).String()
	if len(b) == 16 && net.IP(b).IsUnspecified() {
		ip = "*"
	}
	text := strconv.FormatUint(n, 10)
	if n == 0 {
		text = "*"
	}
	return net.JoinHostPort(ip, text)
}

// socketOwners maps inodes of sockets to users:(("name",pid=1,fd=3)).
func socketOwners() map[string]string {
	owners := map[string]string{}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, l := range links {
		target, err := os.Readlink(l)
		if err != nil || !strings.HasPrefix(target, "socket:[") {
			continue
		}
		part := strings.Split(l, "/")
		comm, _ := os.ReadFile("/proc/" + part[2] + "/comm")
		owners[strings.Trim(target, "socket:[]")] = fmt.Sprintf("users:((%q,pid=%s,fd=%s))", strings.TrimSpace(string(comm)), part[2], part[4])
	}
	return owners
}

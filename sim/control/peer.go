package control

import (
	"bufio"
	"encoding/hex"
	"io"
	"net/netip"
	"os"
	"strings"
)

// publishedPort allows loopback and, in a container, the gateways of its
// networks: from there come the connections of a port that the engine publishes
// on the machine's loopback.
func publishedPort() func(netip.Addr) bool {
	allowed := map[netip.Addr]bool{}
	if _, err := os.Stat("/.dockerenv"); err == nil {
		if f, err := os.Open("/proc/net/route"); err == nil {
			for _, a := range gateways(f) {
				allowed[a] = true
			}
			f.Close()
		}
	}
	return func(a netip.Addr) bool { return a.IsLoopback() || allowed[a] }
}

// gateways reads the routers out of /proc/net/route, where addresses are
// hexadecimal, the last byte first.
func gateways(r io.Reader) []netip.Addr {
	var out []netip.Addr
	for sc := bufio.NewScanner(r); sc.Scan(); {
		f := strings.Fields(sc.Text())
		if len(f) < 3 || f[1] != "00000000" {
			continue
		}
		b, err := hex.DecodeString(f[2])
		if err != nil || len(b) != 4 {
			continue
		}
		out = append(out, netip.AddrFrom4([4]byte{b[3], b[2], b[1], b[0]}))
	}
	return out
}

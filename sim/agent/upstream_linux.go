package agent

import (
	"net/netip"
	"os"
	"sync"
	"time"

	"labsim/sim/dns"
)

// upstream are the resolvers of the engine's machine, which VPCs with a real
// internet ask for names outside.
type upstream struct {
	mu   sync.Mutex
	list []netip.AddrPort
	read time.Time
}

// upstreamAge is how old they may be: the machine may move to another network.
const upstreamAge = 10 * time.Second

// resolvers reads the machine's /etc/resolv.conf. One that can't be read names
// none.
func (s *services) resolvers() []netip.AddrPort {
	u := &s.upstream
	u.mu.Lock()
	defer u.mu.Unlock()
	if time.Since(u.read) < upstreamAge {
		return u.list
	}
	u.list, u.read = nil, time.Now()
	_ = s.a.engine.in(func() error {
		text, err := os.ReadFile("/etc/resolv.conf")
		if err == nil {
			u.list = dns.Resolvers(string(text))
		}
		return err
	})
	return u.list
}

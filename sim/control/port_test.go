package control

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"labsim/sim"
	"labsim/sim/agent/wire"
)

func decodeJSON(t testing.TB, r io.Reader, into any) {
	t.Helper()
	if err := json.NewDecoder(r).Decode(into); err != nil {
		t.Fatal(err)
	}
}

func TestWhoMayAsk(t *testing.T) {
	b := start(t, simulated())
	for _, c := range []struct {
		name   string
		path   string
		change func(*http.Request)
		want   int
	}{
		{"the token", "version", nil, 200},
		{"no token", "version", func(r *http.Request) { r.Header.Del("Authorization") }, 401},
		{"another token", "version", func(r *http.Request) { r.Header.Set("Authorization", "Bearer secre") }, 401},
		{"another scheme", "version", func(r *http.Request) { r.SetBasicAuth("x", testToken) }, 401},
		{"no token, nothing there", "nothing", func(r *http.Request) { r.Header.Del("Authorization") }, 401},
		{"nothing there", "nothing", nil, 404},
		{"another host", "version", func(r *http.Request) { r.Host = "evil.example" }, 403},
		{"a host that looks like one", "version", func(r *http.Request) { r.Host = "127.0.0.1.evil.example" }, 403},
		{"localhost", "version", func(r *http.Request) { r.Host = "localhost:4566" }, 200},
		{"a web page", "version", func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, 403},
		{"a sandboxed page", "version", func(r *http.Request) { r.Header.Set("Origin", "null") }, 403},
		{"a method that is not served", "drain", nil, 405},
	} {
		if got := b.ask("GET", c.path, c.change); got.StatusCode != c.want {
			t.Errorf("%s: %s, want %d", c.name, got.Status, c.want)
		}
	}
}

// The API of EC2 is behind the same door, and wants a signature.
func TestAPIDoor(t *testing.T) {
	b := start(t, simulated())
	for name, change := range map[string]func(*http.Request){
		"no signature": func(*http.Request) {},
		"another host": func(r *http.Request) { r.Host = "evil.example" },
		"a web page":   func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
	} {
		req, _ := http.NewRequest("GET", "http://"+b.addr+"/?Action=DescribeVpcs&Version=2016-11-15", nil)
		change(req)
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode < 400 {
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
}

func TestPeers(t *testing.T) {
	o := simulated()
	o.AllowPeer = func(a netip.Addr) bool { return a == netip.MustParseAddr("172.18.0.1") }
	b := start(t, o)
	if resp := b.ask("GET", "version", nil); resp.StatusCode != http.StatusForbidden {
		t.Errorf("a peer that is not the gateway: %s", resp.Status)
	}
}

func TestGatewaysOfProc(t *testing.T) {
	const route = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	010012AC	0003	0	0	0	00000000	0	0	0
eth0	000012AC	00000000	0001	0	0	0	0000FFFF	0	0	0
`
	if got := gateways(strings.NewReader(route)); !slices.Equal(got, []netip.Addr{netip.MustParseAddr("172.18.0.1")}) {
		t.Errorf("gateways: %v", got)
	}
}

// raw asks for an upgraded connection and returns the answer, and the connection
// where it was granted.
func (b *box) raw(path string) (*http.Response, net.Conn, *bufio.Reader) {
	b.t.Helper()
	conn, err := net.Dial("tcp", b.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { conn.Close() })
	req, _ := http.NewRequest("POST", "http://"+b.addr+BoxPath+path, nil)
	req.Header.Set("Authorization", "Bearer "+testToken)
	askUpgrade(req)
	if err := req.Write(conn); err != nil {
		b.t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, req)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp, conn, r
}

func TestLease(t *testing.T) {
	b := start(t, simulated())
	first, conn, _ := b.raw("lease?holder=alice")
	if first.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("the first lease: %s", first.Status)
	}
	second, _, _ := b.raw("lease?holder=bob")
	body, _ := io.ReadAll(second.Body)
	if second.StatusCode != http.StatusConflict || !strings.Contains(string(body), "alice") {
		t.Errorf("the second lease: %s, %s", second.Status, body)
	}
	conn.Close()
	b.eventually("the lease ends with its connection", func() bool {
		third, c, _ := b.raw("lease?holder=carol")
		c.Close()
		return third.StatusCode == http.StatusSwitchingProtocols
	})
	if plain := b.ask("POST", "lease", nil); plain.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("a lease without a connection: %s", plain.Status)
	}
}

func TestVersionAndStatus(t *testing.T) {
	o := simulated()
	o.Build, o.Site = "abc", "t-control"
	b := start(t, o)
	var v Version
	b.get("version", &v)
	if v.Protocol != wire.Protocol || v.Build != "abc" || v.Site != "t-control" || v.PublicCIDR != sim.DefaultPublic || v.Engine != "none" {
		t.Errorf("version: %+v", v)
	}
	resp := b.ask("GET", "status?wait=1", nil)
	d := json.NewDecoder(resp.Body)
	var s Status
	if err := d.Decode(&s); err != nil {
		t.Fatal(err)
	}
	before := s.Version
	b.network()
	for s.Version <= before || !s.Converged {
		if err := d.Decode(&s); err != nil {
			t.Fatal(err)
		}
	}
}

package ec2

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"labsim/sim"
)

// Guard refuses requests that a web page made a browser send: those for a Host
// that is not allowed (DNS rebinding) and those from a foreign Origin, and keeps
// no connection of theirs. allow gets names and addresses without port.
func Guard(next http.Handler, allow func(host string) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !allow(hostOnly(r.Host)) {
			w.Header().Set("Connection", "close")
			http.Error(w, "labsim answers on loopback names and addresses only, not as "+sim.Printable(r.Host), http.StatusForbidden)
			return
		}
		if o := r.Header.Get("Origin"); o != "" && !allowOrigin(o, allow) {
			w.Header().Set("Connection", "close")
			http.Error(w, "labsim does not answer the web page of "+sim.Printable(o), http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// IsLoopbackHost reports whether a host, without port, is a loopback name or address.
func IsLoopbackHost(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

func allowOrigin(origin string, allow func(string) bool) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && allow(hostOnly(u.Host))
}

func hostOnly(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.Trim(hostport, "[]")
}

package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"reflect"
	"strings"
	"time"

	"labsim/sim"
	"labsim/sim/agent/wire"
	"labsim/sim/dataplane"
)

// reportPause bounds how often a stream of reports speaks: a config of many
// instances changes much at once.
const reportPause = 20 * time.Millisecond

// routes are what control asks for; see wire.go. ctx ends with the agent, not
// with the request: what control asked for is done although it went away.
func (a *Agent) routes(ctx context.Context) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT "+wire.PathConfig, func(w http.ResponseWriter, r *http.Request) {
		var c dataplane.Config
		if !decode(w, r, &c) {
			return
		}
		report, err := a.set(ctx, &c)
		if err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		writeJSON(w, report)
	})
	mux.HandleFunc("GET "+wire.PathReports, a.serveReports)
	mux.HandleFunc("GET "+wire.PathCounters, a.serveCounters)
	mux.HandleFunc("GET "+wire.PathDrift, a.serveDrift)
	mux.HandleFunc("POST "+wire.PathProbe, a.serveProbe)
	mux.HandleFunc("POST "+wire.PathDial, a.serveDial)
	mux.HandleFunc("POST "+wire.PathLeave, func(w http.ResponseWriter, r *http.Request) {
		if err := a.leave(ctx, r.FormValue("volumes") == "1"); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc(wire.PathGuests, a.serveGuest)
	return mux
}

// maxRequest bounds what control asks at a time; a config is the longest.
const maxRequest = 64 << 20

func decode(w http.ResponseWriter, r *http.Request, v any) bool {
	if err := dataplane.Decode(http.MaxBytesReader(w, r.Body, maxRequest), v); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}

func (a *Agent) serveReports(w http.ResponseWriter, r *http.Request) {
	enc, flusher := json.NewEncoder(w), http.NewResponseController(w)
	var last *dataplane.Report
	for {
		next := a.changes.wait() // before looking, so that nothing is missed
		if report := a.report(r.Context()); last == nil || !reflect.DeepEqual(report, *last) {
			if enc.Encode(report) != nil || flusher.Flush() != nil {
				return
			}
			last = &report
		}
		select {
		case <-next:
		case <-r.Context().Done():
			return
		}
		// What changes many times at once is reported once.
		select {
		case <-time.After(reportPause):
		case <-r.Context().Done():
			return
		}
	}
}

func (a *Agent) serveCounters(w http.ResponseWriter, r *http.Request) {
	counters, err := a.driver.Counters(r.Context(), sim.VPCID(r.FormValue("vpc")))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	if counters == nil {
		counters = []dataplane.Counter{}
	}
	writeJSON(w, counters)
}

func (a *Agent) serveDrift(w http.ResponseWriter, r *http.Request) {
	found, err := a.drift(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if found == nil {
		found = []dataplane.Drift{}
	}
	writeJSON(w, found)
}

func (a *Agent) serveProbe(w http.ResponseWriter, r *http.Request) {
	var p dataplane.Probe
	if !decode(w, r, &p) {
		return
	}
	result, err := a.probe(r.Context(), p)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	writeJSON(w, result)
}

// serveDial connects to an address and hands the connection through.
func (a *Agent) serveDial(w http.ResponseWriter, r *http.Request) {
	to, err := netip.ParseAddrPort(r.FormValue("address"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if !strings.EqualFold(r.Header.Get("Upgrade"), wire.Upgrade) {
		http.Error(w, "Upgrade: "+wire.Upgrade+" is missing", http.StatusBadRequest)
		return
	}
	far, err := a.dial(r.Context(), sim.InstanceID(r.FormValue("instance")), to)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer far.Close()
	near, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer near.Close()
	fmt.Fprintf(near, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", wire.Upgrade)
	relay(near, buffered.Reader, far)
}

// relay copies both ways until both have ended. near is a stream of a session,
// whose Close ends its own direction only.
func relay(near net.Conn, fromNear io.Reader, far net.Conn) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		io.Copy(far, fromNear)
		if c, ok := far.(interface{ CloseWrite() error }); ok {
			c.CloseWrite()
		}
	}()
	io.Copy(near, far)
	near.Close()
	// What the near side still sends has nobody to read it once the far side is
	// closed for good; until then it may go on.
	select {
	case <-done:
	case <-time.After(time.Minute):
	}
}

// serveGuest passes a request on to an instance.
func (a *Agent) serveGuest(w http.ResponseWriter, r *http.Request) {
	id, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, wire.PathGuests), "/")
	one, err := a.guests.get(sim.InstanceID(id))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host = "http", "guest"
			p.Out.URL.Path, p.Out.URL.RawPath = "/"+rest, ""
			p.Out.Host = "guest"
		},
		Transport:     withoutInterim{one.client.Transport},
		FlushInterval: -1, // streams
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			a.provoked.Printf("%s: %v", id, err)
			http.Error(w, err.Error(), http.StatusBadGateway)
		},
	}
	proxy.ServeHTTP(w, r)
}

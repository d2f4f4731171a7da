package control

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"

	"labsim/sim"
	"labsim/sim/ec2"
	"labsim/sim/world"
)

// BoxPath is where everything stands that is about the box, not about EC2.
const BoxPath = "/_labsim/"

// server is control's HTTP port.
type server struct {
	ctx        context.Context // ends with the process; for what outlives a request
	opts       *Options
	world      *world.World
	node       Node
	reconciler *reconciler
	gauge      *gauge
	lease      leaser
	token      string
	log        *slog.Logger
}

// handler serves the EC2 API at / and the box below BoxPath. Both answer on
// loopback names only, to no foreign web page, and to nobody but the peers of
// the published port.
func (s *server) handler() http.Handler {
	api := ec2.NewHandler(s.world, ec2.Options{
		Region: s.opts.Region, Zones: s.opts.Zones, Console: s.console, Admit: s.reconciler.beginning.admit, Log: s.log,
	})
	box := ec2.Guard(s.authorized(s.boxHandler()), ec2.IsLoopbackHost)
	return s.peersOnly(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, BoxPath) {
			box.ServeHTTP(w, r)
			return
		}
		api.ServeHTTP(w, r)
	}))
}

// boxHandler is a tree of the methods below BoxPath.
func (s *server) boxHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+BoxPath+"version", s.serveVersion)
	mux.HandleFunc("GET "+BoxPath+"status", s.serveStatus)
	mux.HandleFunc("GET "+BoxPath+"hostkeys", s.serveHostKeys)
	mux.HandleFunc("GET "+BoxPath+"counters", s.serveCounters)
	mux.HandleFunc("GET "+BoxPath+"drift", s.serveDrift)
	mux.HandleFunc("POST "+BoxPath+"repair", s.serveRepair)
	mux.HandleFunc("GET "+BoxPath+"console", s.serveConsole)
	mux.HandleFunc("POST "+BoxPath+"trace", s.serveTrace)
	mux.HandleFunc("POST "+BoxPath+"probe", s.serveProbe)
	mux.HandleFunc("POST "+BoxPath+"exec", s.serveExec)
	mux.HandleFunc("POST "+BoxPath+"dial", s.serveDial)
	mux.HandleFunc("POST "+BoxPath+"lease", s.serveLease)
	mux.HandleFunc("POST "+BoxPath+"drain", s.serveDrain)
	return mux
}

// authorized wants the site's token: what is below it is root in every guest.
func (s *server) authorized(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || s.token == "" || subtle.ConstantTimeCompare([]byte(given), []byte(s.token)) != 1 {
			fail(w, http.StatusUnauthorized, "The site's token is missing or wrong")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// peersOnly closes the door on other containers: through the published port a
// connection comes from the gateway of control's network.
func (s *server) peersOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil || !s.opts.AllowPeer(peer.Addr().Unmap()) {
			http.Error(w, "labsim answers through its published port only", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Failed is the body of an answer that is no success: a text, as sim.Text is
// encoded, and the code where it comes from the EC2 API's rules.
type Failed struct {
	Code string `json:",omitempty"`
	sim.Text
}

func fail(w http.ResponseWriter, status int, format string, args ...any) {
	failAs(w, status, "", format, args...)
}

func failAs(w http.ResponseWriter, status int, code, format string, args ...any) {
	answer(w, status, Failed{Code: code, Text: sim.Text{Format: format, Args: args}})
}

// failWith answers an error by what it is.
func failWith(w http.ResponseWriter, err error) {
	var e *sim.Error
	switch {
	case errors.Is(err, error(errNoAgent)):
		failAs(w, http.StatusServiceUnavailable, errNoAgent.Code, "%s", errNoAgent.Message)
	case errors.As(err, &e):
		failAs(w, http.StatusBadRequest, e.Code, "%s", e.Message)
	default:
		fail(w, http.StatusBadGateway, "%s", err.Error())
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}

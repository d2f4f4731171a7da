package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"labsim/sim"
	"labsim/sim/agent/wire"
	"labsim/sim/dataplane"
	"labsim/sim/ec2"
	"labsim/sim/path"
)

// Version says who is there.
type Version struct {
	Protocol int
	Build    string
	Site     sim.Site
	Engine   string // docker, none
	Region   sim.Region
	Account  sim.AccountID
	// AgentConnected says that the agent holds the world's config and that the
	// volumes it has are known.
	AgentConnected bool
	AgentBuild     string
	PublicCIDR     netip.Prefix
	// Unclaimed: see Status. The agent is given no config then, and so is never connected.
	Unclaimed *Unclaimed `json:",omitempty"`
}

func (s *server) serveVersion(w http.ResponseWriter, r *http.Request) {
	build, connected := s.reconciler.connected()
	answer(w, http.StatusOK, Version{
		Protocol: wire.Protocol, Build: s.opts.Build, Site: s.opts.Site, Engine: s.opts.EngineName,
		Region: s.opts.Region, Account: ec2.DefaultAccount, PublicCIDR: s.opts.Public,
		AgentConnected: connected, AgentBuild: build, Unclaimed: s.reconciler.beginning.found(),
	})
}

// serveStatus answers the status; with wait=1 again at each change.
func (s *server) serveStatus(w http.ResponseWriter, r *http.Request) {
	follow := r.FormValue("wait") != ""
	w.Header().Set("Content-Type", "application/json")
	if follow {
		w.Header().Set("Content-Type", "application/x-ndjson")
	}
	enc, rc := json.NewEncoder(w), http.NewResponseController(w)
	for {
		world := s.world.Changed()
		status, changed := s.status()
		if enc.Encode(status) != nil || rc.Flush() != nil || !follow {
			return
		}
		select {
		case <-changed:
		case <-world:
		case <-r.Context().Done():
			return
		}
	}
}

// status is the reconciler's, except that one about an older world says nothing
// of being done with this one.
func (s *server) status() (Status, <-chan struct{}) {
	status, changed := s.reconciler.status.get()
	if status.Version < uint64(s.world.View().Version) {
		status.Current, status.Converged = false, false
	}
	if room := s.gauge.room(); room.Short() {
		status.Short = &room
	}
	return status, changed
}

func (s *server) serveHostKeys(w http.ResponseWriter, r *http.Request) {
	out := map[sim.InstanceID][]string{}
	for id, i := range s.world.View().Instances.All() {
		if len(i.Status.HostKeys) > 0 && i.Status.State != sim.StateTerminated {
			out[id] = i.Status.HostKeys
		}
	}
	answer(w, http.StatusOK, out)
}

func (s *server) serveTrace(w http.ResponseWriter, r *http.Request) {
	var q path.Query
	if !decode(w, r, &q) {
		return
	}
	if !q.Public.IsValid() {
		q.Public = s.opts.Public
	}
	node, _ := s.reconciler.config.view()
	q.Machine = node.Report.Machine
	answer(w, http.StatusOK, path.Trace(s.world.View(), q))
}

// serveProbe sends a packet; where there are none, the evaluator answers.
func (s *server) serveProbe(w http.ResponseWriter, r *http.Request) {
	var p dataplane.Probe
	if !decode(w, r, &p) {
		return
	}
	if s.opts.Simulated {
		answer(w, http.StatusOK, s.simulate(p))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), max(p.Timeout, time.Second)+p.Patience+5*time.Second)
	defer cancel()
	out, err := s.node.Probe(ctx, p)
	if err != nil {
		failWith(w, err)
		return
	}
	answer(w, http.StatusOK, out)
}

func (s *server) simulate(p dataplane.Probe) dataplane.ProbeResult {
	q := path.Query{
		From: path.Endpoint{Instance: p.From, Internet: p.From == ""},
		To:   path.Endpoint{Address: p.To}, Protocol: p.Protocol, Port: p.Port, Public: s.opts.Public,
	}
	if v := path.Trace(s.world.View(), q); !v.Allowed {
		return dataplane.ProbeResult{Error: "timeout"}
	}
	return dataplane.ProbeResult{Open: true}
}

func (s *server) serveCounters(w http.ResponseWriter, r *http.Request) {
	out, err := s.node.Counters(r.Context(), sim.VPCID(r.FormValue("vpc")))
	if err != nil {
		failWith(w, err)
		return
	}
	answer(w, http.StatusOK, out)
}

func (s *server) serveExec(w http.ResponseWriter, r *http.Request) {
	if id, ok := s.running(w, r); ok {
		s.upgrade(w, r, wire.PathGuests+string(id)+wire.PathExec)
	}
}

func (s *server) serveConsole(w http.ResponseWriter, r *http.Request) {
	if id, ok := s.running(w, r); ok {
		s.stream(w, r, wire.PathGuests+string(id)+wire.PathConsole+"?follow="+url.QueryEscape(r.FormValue("follow")))
	}
}

// serveDial connects to an address as the engine's machine sees it, or as an
// instance does.
func (s *server) serveDial(w http.ResponseWriter, r *http.Request) {
	q := url.Values{"address": {r.FormValue("address")}}
	if _, err := netip.ParseAddrPort(q.Get("address")); err != nil {
		fail(w, http.StatusBadRequest, "address is IP:PORT")
		return
	}
	if r.FormValue("instance") != "" {
		id, ok := s.running(w, r)
		if !ok {
			return
		}
		q.Set("instance", string(id))
	}
	s.upgrade(w, r, wire.PathDial+"?"+q.Encode())
}

// running returns the request's instance if there is a guest to speak to.
func (s *server) running(w http.ResponseWriter, r *http.Request) (sim.InstanceID, bool) {
	id := sim.InstanceID(r.FormValue("instance"))
	i, ok := s.world.View().Instances.Get(id)
	switch {
	case !ok:
		failAs(w, http.StatusNotFound, "InvalidInstanceID.NotFound", "The instance ID '%s' does not exist", id)
	case s.opts.Simulated:
		failAs(w, http.StatusNotImplemented, errSimulated.Code, "%s", errSimulated.Message)
	case i.Status.State == sim.StateTerminated || i.Status.State == sim.StateStopped:
		failAs(w, http.StatusConflict, sim.CodeIncorrectInstanceState, "The instance '%s' is %s", id, i.Status.State)
	default:
		return id, true
	}
	return "", false
}

// console is the EC2 API's view of a guest's output.
func (s *server) console(ctx context.Context, id sim.InstanceID) ([]byte, time.Time, error) {
	if s.opts.Simulated {
		return nil, time.Time{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := s.node.Open(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://agent"+wire.PathGuests+string(id)+wire.PathConsole, nil)
	if err != nil {
		return nil, time.Time{}, err
	}
	req.Close = true
	resp, _, err := wire.Exchange(conn, req)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, time.Time{}, errors.New("console: " + resp.Status)
	}
	out, err := tail(io.LimitReader(resp.Body, maxConsole), consoleShown)
	return out, time.Now(), err
}

// Sizes of a guest's console output: how much is read, and how much of it EC2 shows
// (EC2 API Reference, GetConsoleOutput: the last 64 KB).
const (
	maxConsole   = 16 << 20
	consoleShown = 64 << 10
)

// tail reads to the end and keeps the last n bytes.
func tail(r io.Reader, n int) ([]byte, error) {
	var out []byte
	buf := make([]byte, 32<<10)
	for {
		got, err := r.Read(buf)
		out = append(out, buf[:got]...)
		if len(out) > 2*n || err != nil {
			out = append(out[:0], out[max(0, len(out)-n):]...)
		}
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, err
		}
	}
}

func (s *server) serveDrain(w http.ResponseWriter, r *http.Request) {
	// The client's leaving must not leave half of it.
	ctx, cancel := context.WithTimeout(s.ctx, 5*time.Minute)
	defer cancel()
	if err := s.reconciler.drain(ctx); err != nil {
		failWith(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func decode(w http.ResponseWriter, r *http.Request, into any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		fail(w, http.StatusBadRequest, "The body can't be read: %s", err.Error())
		return false
	}
	return true
}

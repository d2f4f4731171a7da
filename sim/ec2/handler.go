package ec2

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"labsim/sim"
	"labsim/sim/ec2/wire"
	"labsim/sim/world"
)

// maxBody is how much a request may carry.
const maxBody = 1 << 20

// DefaultAccount is the account of every access key while no other is known.
const DefaultAccount sim.AccountID = "000000000000"

// Options are what the API needs besides the world.
type Options struct {
	Region sim.Region // "": us-east-1
	Zones  []sim.Zone // nil: a, b and c of the region

	// Account names the account of an access key; false refuses the key. nil:
	// every key belongs to DefaultAccount.
	Account func(accessKey string) (sim.AccountID, bool)
	// Secret returns the secret of an access key, for which the signature is then
	// verified; "" or nil: its form alone is looked at.
	Secret func(accessKey string) string
	// AllowHost reports whether a Host header, without the port, may be served.
	// nil: loopback names and addresses.
	AllowHost func(host string) bool
	// Admit refuses changes with its error while there must be none; nil: never.
	Admit func() error
	// Console returns what an instance wrote to its console, and when last. nil:
	// GetConsoleOutput answers with no output.
	Console func(ctx context.Context, id sim.InstanceID) ([]byte, time.Time, error)
	Now     func() time.Time // nil: the clock
	Log     *slog.Logger     // nil: the default one
}

func (o *Options) setDefaults() {
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.Zones == nil {
		for _, z := range "abc" {
			o.Zones = append(o.Zones, sim.Zone(string(o.Region)+string(z)))
		}
	}
	if o.Account == nil {
		o.Account = func(string) (sim.AccountID, bool) { return DefaultAccount, true }
	}
	if o.Secret == nil {
		o.Secret = func(string) string { return "" }
	}
	if o.AllowHost == nil {
		o.AllowHost = IsLoopbackHost
	}
	if o.Admit == nil {
		o.Admit = func() error { return nil }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
}

// NewHandler serves the EC2 API, and the one operation of STS that clients ask
// for, over a world.
func NewHandler(w *world.World, o Options) http.Handler {
	o.setDefaults()
	return Guard(&server{world: w, opts: o}, o.AllowHost)
}

type server struct {
	world *world.World
	opts  Options
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := answer{w: w, requestID: newRequestID()}
	defer func() {
		if p := recover(); p != nil {
			s.opts.Log.Error("request failed", "panic", p, "stack", string(debug.Stack()))
			a.fail(errors.New("panic"))
		}
	}()
	if err := s.serve(&a, r); err != nil {
		if sim.ErrorCode(err) == "" {
			s.opts.Log.Error("request failed", "request", a.requestID, "error", err)
		}
		a.fail(err)
	}
}

func (s *server) serve(a *answer, r *http.Request) error {
	if r.URL.Path != "/" {
		return sim.Errorf(codeNotFound, "There is nothing at %s; the EC2 API is at /", r.URL.Path)
	}
	values, body, err := readValues(a.w, r)
	if err != nil {
		return err
	}
	a.sts = values.Get("Version") == stsVersion
	id, err := s.authenticate(r, body)
	if err != nil {
		return err
	}
	action := values.Get("Action")
	delete(values, "Action")
	if a.sts {
		return getCallerIdentity(a, action, id)
	}
	op, err := findOperation(action, values.Get("Version"))
	if err != nil {
		return err
	}
	delete(values, "Version")
	c := &call{ctx: r.Context(), server: s, opts: &s.opts, account: id.account}
	out, err := op(c, values)
	if err != nil {
		return err
	}
	a.xml(http.StatusOK, wire.EncodeXML(action, a.requestID, out))
	return nil
}

// readValues returns the parameters of a GET or POST request, and the body that
// its signature covers.
func readValues(w http.ResponseWriter, r *http.Request) (url.Values, []byte, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return nil, nil, sim.Errorf(codeMethod, "The method %s is not served; use GET or POST", r.Method)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, nil, sim.Errorf(codeTooLarge, "The request is larger than %d bytes, or was cut off", maxBody)
	}
	query := r.URL.RawQuery
	if len(body) > 0 {
		if t := r.Header.Get("Content-Type"); !strings.HasPrefix(t, "application/x-www-form-urlencoded") {
			return nil, nil, sim.Errorf("InvalidRequest", "The content type %q is not application/x-www-form-urlencoded", t)
		}
		query = strings.Trim(query+"&"+string(body), "&")
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, nil, sim.Errorf("MalformedQueryString", "The query string contains a syntax error")
	}
	return values, body, nil
}

func findOperation(action, version string) (operation, error) {
	switch {
	case action == "":
		return nil, sim.Errorf("MissingAction", "The request must contain the parameter Action")
	case version != wire.APIVersion:
		return nil, sim.Errorf("NoSuchVersion", "The requested version (%s) of service AmazonEC2 does not exist here; labsim serves %s", version, wire.APIVersion)
	}
	if op, ok := operations[action]; ok {
		return op, nil
	}
	if isOther(action) {
		return nil, sim.Errorf(sim.CodeUnsupportedOperation, "EC2 has the operation %s, labsim does not have it yet", action)
	}
	return nil, sim.Errorf("InvalidAction", "The action %s is not valid for this web service.", action)
}

// newRequestID returns a random UUID.
func newRequestID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

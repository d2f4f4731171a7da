package cli

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"labsim/sim/text"
)

// answering is a control that gives one answer to everything.
type answering struct {
	status int
	body   string
}

// RoundTrip implements http.RoundTripper.
func (a answering) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(a.body))}, nil
}

// A control of another build is told by what it does not know, in the same words
// wherever a command meets it; what it does know stays what it is.
func TestOtherBuild(t *testing.T) {
	const upgrade = "labsim: control is of another build of labsim, and does not understand this one: "
	for _, c := range []struct {
		name    string
		control answering
		call    func(*app, *box) error
		want    string
		other   bool
	}{
		{"another protocol", answering{200, `{"Protocol":4711}`}, func(a *app, b *box) error { return a.sameProtocol(t.Context(), b) },
			upgrade + "it speaks protocol 4711, this labsim 1", true},
		{"no such path", answering{404, "404 page not found\n"}, func(a *app, b *box) error { return b.call(t.Context(), "GET", "moon", nil, nil) },
			upgrade + "404 page not found: GET moon", true},
		{"no such method", answering{405, "Method Not Allowed\n"}, func(a *app, b *box) error { return b.call(t.Context(), "POST", "status", nil, nil) },
			upgrade + "Method Not Allowed: POST status", true},
		{"no such field", answering{400, `{"Format":"The body can't be read: %s","Args":["json: unknown field \"Moon\""]}`},
			func(a *app, b *box) error { return b.call(t.Context(), "POST", "trace", nil, nil) },
			upgrade + `The body can't be read: json: unknown field "Moon"`, true},
		{"no such instance", answering{404, `{"Code":"InvalidInstanceID.NotFound","Format":"The instance ID '%s' does not exist","Args":["i-1"]}`},
			func(a *app, b *box) error { return b.call(t.Context(), "GET", "console", nil, nil) },
			"labsim: The instance ID 'i-1' does not exist", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			a := &app{err: &out, site: "labsim", lang: text.English}
			a.explain(c.call(a, &box{endpoint: "http://box", http: &http.Client{Transport: c.control}}))
			line, next, _ := strings.Cut(out.String(), "\n")
			if line != c.want || strings.Contains(next, "labsim up ") != c.other {
				t.Errorf("it says\n%s%swant %s", line, next, c.want)
			}
		})
	}
}

package agent

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/hashicorp/yamux"

	"labsim/sim/agent/wire"
)

// Bounds of a session with a guest. Each stream may hold 256 KiB that nobody has
// read yet (yamux' window).
const (
	// maxGuestStreams is how many streams one guest has at a time: commands that
	// are run in it, readers of its console.
	maxGuestStreams = 64
	// streamCloseTimeout is how long the agent, once done with a stream, waits for
	// the guest to be done with it too. Nobody reads what comes in that time.
	streamCloseTimeout = 5 * time.Second
	// answerTimeout is how long a guest may take to begin its answer: all that it
	// is asked, it answers at once.
	answerTimeout = time.Minute
)

// guestTransport speaks HTTP with a guest.
func guestTransport(session *yamux.Session) *http.Transport {
	return &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			if n := session.NumStreams(); n >= maxGuestStreams {
				return nil, fmt.Errorf("%d streams to the guest are open, as many as it may have", n)
			}
			return session.Open()
		},
		DisableCompression:     true,
		MaxIdleConns:           2,
		MaxResponseHeaderBytes: wire.MaxHead,
		ResponseHeaderTimeout:  answerTimeout,
	}
}

// withoutInterim keeps a guest's answers of status 1xx from who has asked: a
// ReverseProxy passes on any number of them, and then http.Transport counts none.
type withoutInterim struct{ http.RoundTripper }

func (t withoutInterim) RoundTrip(r *http.Request) (*http.Response, error) {
	return t.RoundTripper.RoundTrip(r.WithContext(onlyDone{r.Context()}))
}

// onlyDone is a context without its values, of which httptrace's is one.
type onlyDone struct{ context.Context }

func (onlyDone) Value(any) any { return nil }

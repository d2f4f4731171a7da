package control

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"labsim/sim/limit"
)

// What whoever reaches the port may take of control: a script that forgets to
// close, a page that goes on asking.
const (
	maxConnections = 512              // together; each is a descriptor
	maxHeader      = 64 << 10         // bytes
	headerTimeout  = 10 * time.Second // for the request's head
	bodyTimeout    = 30 * time.Second // for its body, which has 1 MiB at most
	answerTimeout  = time.Minute      // for an answer of the API to be made and read
	idleTimeout    = 2 * time.Minute
)

// httpServer is the server of the port, without its listener.
func httpServer(ctx context.Context, h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           timely(h),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// bounded accepts no more than maxConnections at a time.
func bounded(l net.Listener) net.Listener {
	pool, refused := limit.NewPool(maxConnections), &limit.Log{}
	return &limit.Listener{
		Listener: l,
		Admit:    func(net.Conn) (func(), error) { return pool.Take() },
		Refused:  func(err error) { refused.Printf("a connection to the API is refused: %v", err) },
	}
}

// timely bounds the time of a request: its body has to arrive, and an answer of
// the API to be taken. What is below BoxPath may stream, to the holder of the
// site's token, for as long as it is looked at. A deadline of the whole server
// would end the streams.
func timely(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc, end := http.NewResponseController(w), time.Time{}
		if !strings.HasPrefix(r.URL.Path, BoxPath) {
			end = time.Now().Add(answerTimeout)
		}
		_ = rc.SetWriteDeadline(end) // also over one of the request before
		if r.ContentLength != 0 {
			_ = rc.SetReadDeadline(time.Now().Add(bodyTimeout))
			r.Body = &timedBody{r.Body, rc}
		}
		next.ServeHTTP(w, r)
	})
}

// timedBody lifts the deadline at its end: from then on the connection is read
// only to see the client go.
type timedBody struct {
	io.ReadCloser
	rc *http.ResponseController
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		_ = b.rc.SetReadDeadline(time.Time{})
	}
	return n, err
}

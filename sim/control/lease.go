package control

import (
	"context"
	"io"
	"net/http"
	"sync"

	"labsim/sim/agent/wire"
)

// leaser lets one `up` or `down` work at a time. The lease is a connection: it
// ends with its holder, however that ends.
type leaser struct {
	mu     sync.Mutex
	holder string
	held   bool
}

func (l *leaser) take(holder string) (by string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held {
		return l.holder, false
	}
	l.holder, l.held = holder, true
	return holder, true
}

func (l *leaser) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holder, l.held = "", false
}

func (s *server) serveLease(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") != wire.Upgrade {
		fail(w, http.StatusUpgradeRequired, "A lease is a connection that is upgraded to %s", wire.Upgrade)
		return
	}
	holder := r.FormValue("holder")
	if by, ok := s.lease.take(holder); !ok {
		fail(w, http.StatusConflict, "%s", by)
		return
	}
	s.reconciler.tryAgain() // before the holder reads what is wrong
	conn, from, err := accept(w)
	if err != nil {
		s.lease.release()
		return
	}
	defer conn.Close()
	defer s.lease.release() // before the end of the connection tells the holder so
	defer context.AfterFunc(s.ctx, func() { conn.Close() })()
	io.Copy(io.Discard, from)
}

package imds

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"labsim/sim/dataplane"
)

// Handler serves one VPC. lookup says whose address src is.
func Handler(lookup func(src netip.Addr) (dataplane.Metadata, bool)) http.Handler {
	s := &service{lookup: lookup, now: time.Now}
	rand.Read(s.key[:])
	return s
}

type service struct {
	lookup func(netip.Addr) (dataplane.Metadata, bool)
	now    func() time.Time
	// key signs the tokens. They die with the process: a client then gets 401,
	// and asks for a new one as it does when one expires.
	key [32]byte
}

const tokenPath = "/latest/api/token"

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Server", "EC2ws")
	if r.ContentLength != 0 {
		w.Header().Set("Connection", "close") // no request has a body, and nobody reads this one
	}
	src, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		fail(w, http.StatusBadRequest)
		return
	}
	m, ok := s.lookup(src.Addr().Unmap())
	switch {
	case !ok:
		fail(w, http.StatusNotFound)
	case m.Disabled:
		fail(w, http.StatusForbidden)
	case strings.TrimSuffix(r.URL.Path, "/") == tokenPath:
		s.token(w, r, m)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		fail(w, http.StatusMethodNotAllowed)
	case s.authorized(w, r, m):
		answer(w, r, tree(m))
	default:
		fail(w, http.StatusUnauthorized)
	}
}

// answer finds the path in the tree. A directory is listed with or without a
// slash at the end; a value is no directory.
func answer(w http.ResponseWriter, r *http.Request, root dir) {
	parts := strings.FieldsFunc(r.URL.Path, func(c rune) bool { return c == '/' })
	slash := strings.HasSuffix(r.URL.Path, "/")
	if len(parts) > 0 && slices.Contains(versions, parts[0]) {
		parts[0] = "latest" // all versions show what the latest one shows
	}
	var at any = root
	for _, p := range parts {
		d, _ := at.(dir)
		next, ok := d[p]
		if !ok {
			fail(w, http.StatusNotFound)
			return
		}
		at = next
	}
	switch x := at.(type) {
	case dir:
		write(w, "text/plain", x.list())
	case []byte:
		if !slash {
			write(w, "application/octet-stream", string(x))
			return
		}
		fail(w, http.StatusNotFound)
	case string:
		if !slash {
			write(w, "text/plain", x)
			return
		}
		fail(w, http.StatusNotFound)
	}
}

func write(w http.ResponseWriter, kind, body string) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	io.WriteString(w, body)
}

// fail answers with the service's error page.
func fail(w http.ResponseWriter, code int) {
	title := fmt.Sprintf("%d - %s", code, http.StatusText(code))
	body := `<?xml version="1.0" encoding="iso-8859-1"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN"
	"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">
 <head>
  <title>` + title + `</title>
 </head>
 <body>
  <h1>` + title + `</h1>
 </body>
</html>
`
	w.Header().Set("Content-Type", "text/html")
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	w.WriteHeader(code)
	io.WriteString(w, body)
}

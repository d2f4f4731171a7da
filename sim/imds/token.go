package imds

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strconv"
	"time"

	"labsim/sim/dataplane"
)

// Headers and limits of version 2 (EC2 User Guide, "Use IMDSv2").
const (
	tokenHeader = "X-aws-ec2-metadata-token"
	ttlHeader   = "X-aws-ec2-metadata-token-ttl-seconds"
	maxTTL      = 21600
)

// token answers a request for a session token. A proxy that adds
// X-Forwarded-For is refused: the token would be its, not the caller's.
func (s *service) token(w http.ResponseWriter, r *http.Request, m dataplane.Metadata) {
	ttl, err := strconv.Atoi(r.Header.Get(ttlHeader))
	switch {
	case r.Method != http.MethodPut:
		w.Header().Set("Allow", "PUT")
		fail(w, http.StatusMethodNotAllowed)
	case len(r.Header.Values("X-Forwarded-For")) > 0:
		fail(w, http.StatusForbidden)
	case err != nil || ttl < 1 || ttl > maxTTL:
		fail(w, http.StatusBadRequest)
	default:
		w.Header().Set(ttlHeader, strconv.Itoa(ttl))
		write(w, "text/plain", s.sign(m, s.now().Add(time.Duration(ttl)*time.Second)))
	}
}

// authorized reports whether a request may read: with a valid token, or with
// none where the instance allows version 1.
func (s *service) authorized(w http.ResponseWriter, r *http.Request, m dataplane.Metadata) bool {
	token, given := r.Header[http.CanonicalHeaderKey(tokenHeader)]
	if !given {
		return !m.TokensRequired
	}
	until, ok := s.verify(m, token[0])
	if left := until.Sub(s.now()); ok && left > 0 {
		w.Header().Set(ttlHeader, strconv.Itoa(int(left/time.Second)))
		return true
	}
	return false
}

// A token is its version, the second at which it expires, and a MAC of these
// and of the interface that it was given to. Nothing is kept.
const (
	tokenVersion = 1
	tokenBody    = 2 + 8
)

func (s *service) sign(m dataplane.Metadata, until time.Time) string {
	b := binary.BigEndian.AppendUint16(nil, tokenVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(until.UnixNano()))
	return base64.URLEncoding.EncodeToString(append(b, s.mac(m, b)...))
}

func (s *service) verify(m dataplane.Metadata, token string) (until time.Time, ok bool) {
	b, err := base64.URLEncoding.DecodeString(token)
	if err != nil || len(b) != tokenBody+sha256.Size || binary.BigEndian.Uint16(b) != tokenVersion {
		return time.Time{}, false
	}
	until = time.Unix(0, int64(binary.BigEndian.Uint64(b[2:])))
	return until, hmac.Equal(b[tokenBody:], s.mac(m, b[:tokenBody]))
}

func (s *service) mac(m dataplane.Metadata, body []byte) []byte {
	h := hmac.New(sha256.New, s.key[:])
	h.Write(body)
	h.Write([]byte(m.Addr.String() + "\x00" + string(m.ENI) + "\x00" + string(m.Instance)))
	return h.Sum(nil)
}

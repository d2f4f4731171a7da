package ec2

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"labsim/sim"
)

// maxSkew is how far a signature's time may be from now.
const maxSkew = 5 * time.Minute

// identity is who asks.
type identity struct {
	accessKey string
	account   sim.AccountID
}

// authenticate looks at the request's signature (AWS General Reference,
// "Signature Version 4"). Its form must always be right; it is verified where
// the key's secret is known.
func (s *server) authenticate(r *http.Request, body []byte) (identity, error) {
	sig, err := parseSignature(r)
	if err != nil {
		return identity{}, err
	}
	if sig.service != "ec2" && sig.service != "sts" {
		return identity{}, sim.Errorf("AuthFailure", "Credential should be scoped to the service ec2, not '%s'", sig.service)
	}
	if sig.service == "ec2" && sig.region != string(s.opts.Region) {
		return identity{}, sim.Errorf("AuthFailure", "Credential should be scoped to a valid region. This is %s, not '%s'", s.opts.Region, sig.region)
	}
	account, ok := s.opts.Account(sig.accessKey)
	if !ok {
		return identity{}, sim.Errorf("AuthFailure", "AWS was not able to validate the provided access credentials")
	}
	if secret := s.opts.Secret(sig.accessKey); secret != "" {
		if err := sig.verify(r, body, secret, s.opts.Now()); err != nil {
			return identity{}, err
		}
	}
	return identity{accessKey: sig.accessKey, account: account}, nil
}

// signature is an Authorization header, taken apart.
type signature struct {
	accessKey, date, region, service string
	signedHeaders                    []string
	hex                              string
	time                             time.Time
}

var authorization = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^AWS4-HMAC-SHA256\s+Credential=([\w.@+=,-]{1,128})/(\d{8})/([a-z0-9-]{1,64})/([a-z0-9-]{1,32})/aws4_request\s*,\s*` +
		`SignedHeaders=([a-z0-9;-]+)\s*,\s*Signature=([0-9a-f]{64})$`)
})

func parseSignature(r *http.Request) (signature, error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return signature{}, sim.Errorf("MissingAuthenticationToken", "Request is missing Authentication Token")
	}
	m := authorization().FindStringSubmatch(header)
	if m == nil {
		return signature{}, sim.Errorf("IncompleteSignature", "The Authorization header is not a signature of version 4")
	}
	sig := signature{accessKey: m[1], date: m[2], region: m[3], service: m[4], signedHeaders: strings.Split(m[5], ";"), hex: m[6]}
	var err error
	if sig.time, err = time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date")); err != nil || sig.time.Format("20060102") != sig.date {
		return signature{}, sim.Errorf("IncompleteSignature", "The X-Amz-Date header is missing, or not of the day that the credential names")
	}
	if !slices.Contains(sig.signedHeaders, "host") {
		return signature{}, sim.Errorf("IncompleteSignature", "The signature does not cover the Host header")
	}
	return sig, nil
}

// verify signs the request again, with the headers that the client signed, and
// compares.
func (sig signature) verify(r *http.Request, body []byte, secret string, now time.Time) error {
	if d := now.Sub(sig.time); d > maxSkew || d < -maxSkew {
		return sim.Errorf("RequestExpired", "Request has expired.")
	}
	again := &http.Request{Method: r.Method, URL: r.URL, Host: r.Host, Header: http.Header{}}
	for _, name := range sig.signedHeaders {
		switch name {
		case "host":
		case "content-length":
			again.ContentLength = r.ContentLength
		default:
			again.Header[http.CanonicalHeaderKey(name)] = r.Header.Values(name)
		}
	}
	keys := aws.Credentials{AccessKeyID: sig.accessKey, SecretAccessKey: secret, SessionToken: r.Header.Get("X-Amz-Security-Token")}
	if err := sign(again, body, keys, sig.service, sig.region, sig.time); err != nil {
		return err
	}
	want, err := parseSignature(again)
	if err != nil || subtle.ConstantTimeCompare([]byte(want.hex), []byte(sig.hex)) != 1 {
		return sim.Errorf("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.")
	}
	return nil
}

// sign adds an Authorization header to a request with that body.
func sign(r *http.Request, body []byte, keys aws.Credentials, service, region string, at time.Time) error {
	hash := sha256.Sum256(body)
	return v4.NewSigner().SignHTTP(context.Background(), keys, r, hex.EncodeToString(hash[:]), service, region, at)
}

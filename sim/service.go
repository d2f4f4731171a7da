package sim

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/textproto"
	"strings"
)

// Service is a process that a guest starts at every boot: what Compose calls a
// service's command. It travels in the user data, as one part of a MIME
// multipart document beside the script, so that EC2's API carries it unchanged.
type Service struct {
	Command     []string
	Environment []string `json:",omitempty"` // NAME=VALUE, sorted
	Dir         string   `json:",omitempty"` // "": /
	User        string   `json:",omitempty"` // "": root
}

// Types of the parts of user data (cloud-init, "MIME multi-part archive").
const (
	scriptPart  = "text/x-shellscript"
	servicePart = "text/x-labsim-service"
)

// JoinUserData puts a script, which may be "", and a service into one document.
// The same ones make the same document.
func JoinUserData(script string, s Service) (string, error) {
	doc, err := json.Marshal(s)
	if err != nil {
		return "", err
	}
	h := sha256.Sum256([]byte(script + "\x00" + string(doc)))
	boundary := "labsim-" + hex.EncodeToString(h[:12]) // no text holds its own hash
	var b strings.Builder
	fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=%q\nMIME-Version: 1.0\n\n", boundary)
	if script != "" {
		fmt.Fprintf(&b, "--%s\nContent-Type: %s\n\n%s\n", boundary, scriptPart, script)
	}
	fmt.Fprintf(&b, "--%s\nContent-Type: %s\n\n%s\n--%s--\n", boundary, servicePart, doc, boundary)
	return b.String(), nil
}

// MultipartUserData reports whether user data is a MIME multipart document.
func MultipartUserData(data []byte) bool {
	first, _, _ := bytes.Cut(data, []byte("\n"))
	first = bytes.ToLower(bytes.TrimSpace(first))
	return bytes.HasPrefix(first, []byte("content-type: multipart/")) || bytes.HasPrefix(first, []byte("mime-version:"))
}

// SplitUserData takes a multipart document apart. Both results may be nil; a part
// that is neither a script nor a service is an error: half of it done would be
// worse than nothing.
func SplitUserData(data []byte) (script []byte, service *Service, err error) {
	r := bufio.NewReader(bytes.NewReader(data))
	head, err := textproto.NewReader(r).ReadMIMEHeader()
	if err != nil {
		return nil, nil, err
	}
	kind, params, err := mime.ParseMediaType(head.Get("Content-Type"))
	if err != nil || !strings.HasPrefix(kind, "multipart/") {
		return nil, nil, fmt.Errorf("it is %q, and not multipart", kind)
	}
	parts := multipart.NewReader(r, params["boundary"])
	for n := 1; ; n++ {
		p, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return script, service, nil
		}
		if err != nil {
			return nil, nil, err
		}
		body, err := io.ReadAll(p)
		if err != nil {
			return nil, nil, err
		}
		kind, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
		switch {
		case kind == scriptPart && script == nil:
			script = body
		case kind == servicePart && service == nil:
			service = new(Service)
			if err := json.Unmarshal(body, service); err != nil {
				return nil, nil, fmt.Errorf("part %d: %w", n, err)
			}
			if len(service.Command) == 0 {
				return nil, nil, fmt.Errorf("part %d: a service without a command", n)
			}
		default:
			return nil, nil, fmt.Errorf("part %d is %q: labsim knows one %s and one %s", n, kind, scriptPart, servicePart)
		}
	}
}

package wire

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
)

// A guest may send anything: its root can have taken PID 1's place. Whatever
// reads what a guest has sent does so by what is in this file, in guard.go and
// by ReadFrame, all of which take a bounded amount of memory whatever comes.
const (
	// MaxHello bounds a dialler's first line.
	MaxHello = 4 << 10
	// MaxGuestLine bounds a line of a guest's events and its answers' JSON.
	MaxGuestLine = 64 << 10
	// MaxReport bounds what an agent says of its node at a time.
	MaxReport = 16 << 20
	// MaxHead bounds the head of an HTTP answer, with all of status 1xx before it.
	MaxHead = 16 << 10
	// MaxErrorText bounds the text of an answer that is no success.
	MaxErrorText = 4 << 10
)

// ReadLine reads a line of less than limit bytes, and not a byte after its end:
// what follows it is somebody else's.
func ReadLine(r io.Reader, limit int) ([]byte, error) {
	var line []byte
	for b := make([]byte, 1); len(line) < limit; line = append(line, b[0]) {
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, err
		}
		if b[0] == '\n' {
			return line, nil
		}
	}
	return nil, bufio.ErrTooLong
}

// Lines decodes JSON values, one a line. Too long a line ends it.
type Lines struct{ scan *bufio.Scanner }

// NewLines reads lines of less than limit bytes.
func NewLines(r io.Reader, limit int) *Lines {
	s := bufio.NewScanner(r)
	s.Buffer(nil, limit)
	return &Lines{s}
}

// Next decodes the next line into v, which must be empty; io.EOF: there is none.
func (l *Lines) Next(v any) error {
	if !l.scan.Scan() {
		return cmp.Or(l.scan.Err(), io.EOF)
	}
	if err := json.Unmarshal(l.scan.Bytes(), v); err != nil {
		return fmt.Errorf("a line of %d bytes is no message: %w", len(l.scan.Bytes()), err)
	}
	return nil
}

// Exchange sends a request on a connection of its own and reads the answer's head,
// of at most MaxHead bytes. Answers of status 1xx that announce another are passed
// over. What follows the head is read from rest, which is also the body's source.
func Exchange(conn net.Conn, req *http.Request) (resp *http.Response, rest *bufio.Reader, err error) {
	if err := req.Write(conn); err != nil {
		return nil, nil, err
	}
	head := &headReader{r: conn, left: MaxHead}
	rest = bufio.NewReader(head)
	for {
		resp, err = http.ReadResponse(rest, req)
		if err != nil {
			return nil, nil, err
		}
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			head.left = math.MaxInt64
			return resp, rest, nil
		}
	}
}

// headReader fails once a head is longer than it may be.
type headReader struct {
	r    io.Reader
	left int64
}

func (h *headReader) Read(p []byte) (int, error) {
	if h.left <= 0 {
		return 0, fmt.Errorf("the answer's head is longer than %d bytes", MaxHead)
	}
	n, err := h.r.Read(p[:min(int64(len(p)), h.left)])
	h.left -= int64(n)
	return n, err
}

package guest

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"
)

// consoleSize is what EC2 keeps of a console's output, too.
const consoleSize = 64 << 10

// console is the instance's serial console: the last 64 KiB of what was written
// to it. Writing never waits. What hands it on, above all to Docker's log, takes
// the time of others, which no quota of the instance counts; so each follower
// takes it at a limited pace, and what it is too late for is lost and said.
type console struct {
	mu    sync.Mutex
	ring  []byte
	start int64 // offset of ring[0] in everything that was written
	lines int64 // line ends before start
	more  chan struct{}

	ending chan struct{} // closed: the log gets what is left, at once
	logged chan struct{} // closed: it has
}

// newConsole hands everything on to out, the container's log.
func newConsole(out io.Writer) *console {
	c := &console{more: make(chan struct{}), ending: make(chan struct{}), logged: make(chan struct{})}
	go c.log(out)
	return c
}

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ring = append(c.ring, p...)
	if n := len(c.ring) - consoleSize; n > 0 {
		c.lines += int64(bytes.Count(c.ring[:n], lineEnd))
		c.ring = append(c.ring[:0], c.ring[n:]...)
		c.start += int64(n)
	}
	close(c.more)
	c.more = make(chan struct{})
	return len(p), nil
}

var lineEnd = []byte("\n")

// printf writes a line of PID 1's own.
func (c *console) printf(format string, args ...any) {
	fmt.Fprintf(c, "labsim: "+format+"\n", args...)
}

// copyTo writes the console to w; with follow also what comes, until done.
func (c *console) copyTo(w io.Writer, follow bool, flush func(), done <-chan struct{}) error {
	t, pace := c.fromNow(), streamPace()
	for {
		data, more := t.next(consoleSize)
		if _, err := w.Write(data); err != nil {
			return err
		}
		flush()
		if !follow {
			return nil
		}
		if !await(more, done) || !await(time.After(pace.wait(data)), done) {
			return nil
		}
	}
}

// logChunk is what the log gets at once: few enough lines for its pace.
const logChunk = 4 << 10

// log hands on to the container's log until the end.
func (c *console) log(out io.Writer) {
	defer close(c.logged)
	t, pace := &tail{c: c}, logPace()
	for {
		data, more := t.next(logChunk)
		if len(data) == 0 {
			if !await(more, c.ending) {
				break
			}
			continue
		}
		out.Write(data)
		if !await(time.After(pace.wait(data)), c.ending) {
			break
		}
	}
	rest, _ := t.next(consoleSize)
	out.Write(rest)
}

// end lets the log have what is left, if it takes that within limit: Docker may
// not be reading.
func (c *console) end(limit time.Duration) {
	close(c.ending)
	await(c.logged, time.After(limit))
}

// await reports whether x happened rather than y.
func await[X, Y any](x <-chan X, y <-chan Y) bool {
	select {
	case <-x:
		return true
	case <-y:
		return false
	}
}

// tail reads on in a console.
type tail struct {
	c      *console
	offset int64
	lines  int64 // line ends before offset
	inLine bool  // what was read last does not end a line
}

// fromNow begins with what is kept.
func (c *console) fromNow() *tail {
	c.mu.Lock()
	defer c.mu.Unlock()
	return &tail{c: c, offset: c.start, lines: c.lines}
}

// next returns at most n bytes, after a line about those that came too fast, and
// a channel that is closed once there is more.
func (t *tail) next(n int) ([]byte, <-chan struct{}) {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	var out []byte
	if t.offset < t.c.start {
		out = t.skip()
	}
	data := t.c.ring[t.offset-t.c.start:]
	data = data[:min(n, len(data))]
	if len(data) > 0 {
		t.offset += int64(len(data))
		t.lines += int64(bytes.Count(data, lineEnd))
		t.inLine = !bytes.HasSuffix(data, lineEnd)
	}
	if t.offset < t.c.start+int64(len(t.c.ring)) {
		return append(out, data...), readable
	}
	return append(out, data...), t.c.more
}

// readable is closed: there is more already.
var readable = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// skip goes on at the first whole line that is kept, and says what is lost.
func (t *tail) skip() []byte {
	lost := t.c.lines - t.lines
	t.offset, t.lines = t.c.start, t.c.lines
	if end := bytes.IndexByte(t.c.ring, '\n'); end >= 0 {
		t.offset += int64(end) + 1
		t.lines++
		lost++
	}
	text := fmt.Sprintf("labsim: ... %d lines dropped\n", lost)
	if t.inLine {
		text = "\n" + text
	}
	t.inLine = false
	return []byte(text)
}

// device makes /dev/console, which a container without a terminal lacks, so
// that scripts may write to it. A FIFO needs no capability.
func (c *console) device(path string) {
	if _, err := os.Lstat(path); err == nil {
		return
	}
	if err := syscall.Mkfifo(path, 0o622); err != nil {
		return
	}
	os.Chmod(path, 0o622)
	f, err := os.OpenFile(path, os.O_RDWR, 0) // RDWR: never at the end, whoever closes it
	if err != nil {
		return
	}
	go io.Copy(c, f)
}

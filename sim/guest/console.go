package guest

import (
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
)

// consoleSize is what EC2 keeps of a console's output, too.
const consoleSize = 64 << 10

// console is the instance's serial console: the last 64 KiB of what was
// written to it, and all of it on out.
type console struct {
	mu    sync.Mutex
	out   io.Writer
	ring  []byte
	start int64 // offset of ring[0] in everything that was written
	more  chan struct{}
}

func newConsole(out io.Writer) *console {
	return &console{out: out, more: make(chan struct{})}
}

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.Write(p)
	c.ring = append(c.ring, p...)
	if n := len(c.ring) - consoleSize; n > 0 {
		c.ring = append(c.ring[:0], c.ring[n:]...)
		c.start += int64(n)
	}
	close(c.more)
	c.more = make(chan struct{})
	return len(p), nil
}

// printf writes a line of PID 1's own.
func (c *console) printf(format string, args ...any) {
	fmt.Fprintf(c, "labsim: "+format+"\n", args...)
}

// read returns what is kept from offset on, the offset behind it, and a channel
// that is closed at the next write.
func (c *console) read(offset int64) ([]byte, int64, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	from := max(offset-c.start, 0)
	data := append([]byte(nil), c.ring[from:]...)
	return data, c.start + int64(len(c.ring)), c.more
}

// copyTo writes the console to w; with follow also what comes, until done.
func (c *console) copyTo(w io.Writer, follow bool, flush func(), done <-chan struct{}) error {
	var offset int64
	for {
		data, next, more := c.read(offset)
		if _, err := w.Write(data); err != nil {
			return err
		}
		flush()
		offset = next
		if !follow {
			return nil
		}
		select {
		case <-more:
		case <-done:
			return nil
		}
	}
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

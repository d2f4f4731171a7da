package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"labsim/sim"
)

// lines draws steps: each spins while it works and turns into a tick. Without a
// terminal each is printed once, when it has ended.
type lines struct {
	a     *app
	w     io.Writer
	live  bool
	mu    sync.Mutex
	now   string // the line that spins, "" for none
	began time.Time
	stop  chan struct{}
	done  chan struct{}
}

const (
	spinEvery = 100 * time.Millisecond
	longStep  = 2 * time.Second // from here on the time is worth showing
)

func (a *app) newLines() *lines {
	return &lines{a: a, w: a.out, live: a.tty(a.out) && !a.quiet && !a.json}
}

// start begins a step that shows t while it runs.
func (l *lines) start(label string, t sim.Text) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.began = time.Now()
	l.now = label + "%s " + strings.ReplaceAll(l.a.say(t), "%", "%%")
	if l.live {
		l.stop, l.done = make(chan struct{}), make(chan struct{})
		go l.spin(l.stop, l.done)
	}
}

// update changes what the spinning line says.
func (l *lines) update(label string, t sim.Text) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = label + "%s " + strings.ReplaceAll(l.a.say(t), "%", "%%")
}

// note prints what is worth knowing while a step goes on, above its line.
func (l *lines) note(t sim.Text) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stop != nil {
		fmt.Fprint(l.w, "\r\x1b[2K")
	}
	l.a.errorln(t)
}

// end turns the step into a tick or a cross.
func (l *lines) end(ok bool, label, s string) {
	if l.stop != nil {
		close(l.stop)
		<-l.done
		l.stop = nil
	}
	if l.a.quiet || l.a.json {
		return
	}
	mark := "✓"
	if !ok {
		mark = "✗"
	}
	if l.a.color(l.w) {
		if ok {
			mark = "\x1b[32m" + mark + "\x1b[0m"
		} else {
			mark = "\x1b[31m" + mark + "\x1b[0m"
		}
	}
	took := ""
	if d := time.Since(l.began); d >= longStep {
		took = fmt.Sprintf("  (%.1f s)", d.Seconds())
	}
	clear := ""
	if l.live {
		clear = "\r\x1b[2K"
	}
	fmt.Fprintf(l.w, "%s%s%s %s%s\n", clear, label, mark, sim.Printable(s), took)
}

func (l *lines) spin(stop, done chan struct{}) {
	defer close(done)
	t := time.NewTicker(spinEvery)
	defer t.Stop()
	for i := 0; ; i++ {
		l.mu.Lock()
		line := fmt.Sprintf(l.now, string([]rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")[i%10]))
		fmt.Fprintf(l.w, "\r\x1b[2K%s", cut(line, l.columns()))
		l.mu.Unlock()
		select {
		case <-stop:
			return
		case <-t.C:
		}
	}
}

// columns is how wide the terminal is: a line that spins must not run over.
func (l *lines) columns() int {
	if f, ok := l.w.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	return 80
}

// cut shortens s to less than n columns.
func cut(s string, n int) string {
	at := 0
	for i, r := range s {
		if at += sim.Columns(string(r)); at >= n {
			return s[:i]
		}
	}
	return s
}

// pad fills s up to n columns.
func pad(s string, n int) string { return s + strings.Repeat(" ", max(0, n-sim.Columns(s))) }

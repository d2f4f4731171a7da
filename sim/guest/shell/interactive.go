package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/term"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// interact reads commands from a terminal until exit or Ctrl-D.
func (s *shell) interact() int {
	s.prompt = true
	// Caught, so that a child gets the default again; stopping is not supported,
	// so a child ignores it like ourselves.
	quiet := make(chan os.Signal, 1)
	signal.Notify(quiet, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM)
	go func() {
		for range quiet {
		}
	}()
	signal.Ignore(syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU)
	s.source(os.Getenv("ENV"))
	status := 0
	reader := newLines(s)
	for {
		stmts, err := s.readCommand(reader)
		if err == io.EOF {
			return status
		}
		if err != nil {
			fmt.Fprintln(s.call.Err, err)
			continue
		}
		for _, stmt := range stmts {
			status = s.exitStatus(s.runner.Run(context.Background(), stmt))
			if s.runner.Exited() {
				return status
			}
			if status == 128+int(syscall.SIGINT) {
				fmt.Fprintln(s.call.Err) // the terminal has shown ^C only
			}
		}
		if code := s.pendingTraps(); code != "" {
			if f, err := newParser().Parse(strings.NewReader(code), s.name); err == nil && len(f.Stmts) > 0 {
				s.runner.Run(context.Background(), f.Stmts[0])
			}
		}
	}
}

func (s *shell) exitStatus(err error) int {
	var status interp.ExitStatus
	if err == nil || errors.As(err, &status) {
		return int(status)
	}
	return s.call.Fail("%v", err)
}

// readCommand reads lines until they make whole statements.
func (s *shell) readCommand(r lines) ([]*syntax.Stmt, error) {
	text, prompt := "", s.ps1()
	for {
		line, err := r.read(prompt)
		if err != nil {
			return nil, err
		}
		text += line + "\n"
		f, err := newParser().Parse(strings.NewReader(text), "")
		if err == nil && !strings.HasSuffix(line, "\\") {
			walkStream(f, true, true)
			return f.Stmts, nil
		}
		if err != nil && !syntax.IsIncomplete(err) {
			return nil, err
		}
		prompt = "> "
	}
}

// ps1 expands the prompt's escapes: \u \h \H \w \W \$ \n.
func (s *shell) ps1() string {
	ps := s.runner.Vars["PS1"].Str
	if ps == "" {
		ps = `[\u@\h \W]\$ `
	}
	host, _ := os.Hostname()
	short, _, _ := strings.Cut(host, ".")
	sign := "$"
	if os.Getuid() == 0 {
		sign = "#"
	}
	user := os.Getenv("USER")
	if user == "" && os.Getuid() == 0 {
		user = "root"
	}
	dir, home := s.runner.Dir, os.Getenv("HOME")
	if rest, ok := strings.CutPrefix(dir, home); ok && home != "" && home != "/" && (rest == "" || rest[0] == '/') {
		dir = "~" + rest
	}
	return strings.NewReplacer(`\u`, user, `\h`, short, `\H`, host, `\w`, dir, `\W`, filepath.Base(dir), `\$`, sign,
		`\n`, "\r\n", `\[`, "", `\]`, "", `\e`, "\x1b").Replace(ps)
}

// lines is where an interactive shell gets its lines.
type lines interface {
	read(prompt string) (string, error)
}

func newLines(s *shell) lines {
	in, ok := s.call.In.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return &plainLines{r: &lineReader{r: s.call.In}, out: s.call.Err}
	}
	t := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{&ctrlC{in}, os.Stderr}, "")
	t.AutoCompleteCallback = completer(s)
	e := &editor{in: in, t: t}
	e.resize()
	winch := make(chan os.Signal, 1)
	signal.Notify(winch, syscall.SIGWINCH)
	go func() {
		for range winch {
			e.resize()
		}
	}()
	return e
}

// editor edits lines on a terminal, which is raw only meanwhile.
type editor struct {
	in *os.File
	t  *term.Terminal
}

func (e *editor) resize() {
	if w, h, err := term.GetSize(int(e.in.Fd())); err == nil && w > 0 {
		e.t.SetSize(w, h)
	}
}

func (e *editor) read(prompt string) (string, error) {
	old, err := term.MakeRaw(int(e.in.Fd()))
	if err != nil {
		return "", io.EOF
	}
	defer term.Restore(int(e.in.Fd()), old)
	e.t.SetPrompt(prompt)
	line, err := e.t.ReadLine()
	if err == term.ErrPasteIndicator {
		err = nil
	}
	if err != nil {
		fmt.Fprint(os.Stderr, "exit\r\n")
		return "", io.EOF
	}
	return line, nil
}

// ctrlC turns Ctrl-C, which ends a term.Terminal, into: end of line, delete
// the line, enter.
type ctrlC struct{ r io.Reader }

func (c *ctrlC) Read(p []byte) (int, error) {
	n, err := c.r.Read(p[:min(len(p), 64)])
	for i := range n {
		if p[i] == 3 && n+2 <= len(p) {
			copy(p[i+3:n+2], p[i+1:n])
			copy(p[i:], "\x05\x15\r")
			return n + 2, err
		}
	}
	return n, err
}

type plainLines struct {
	r   io.Reader
	out io.Writer
}

func (p *plainLines) read(prompt string) (string, error) {
	fmt.Fprint(p.out, prompt)
	var line []byte
	buf := make([]byte, 256)
	for {
		n, err := p.r.Read(buf)
		line = append(line, buf[:n]...)
		if n > 0 && line[len(line)-1] == '\n' {
			return string(line[:len(line)-1]), nil
		}
		if err != nil {
			return string(line), err
		}
	}
}

// completer completes file names, and commands in the first word.
func completer(s *shell) func(line string, pos int, key rune) (string, int, bool) {
	return func(line string, pos int, key rune) (string, int, bool) {
		if key != '\t' {
			return "", 0, false
		}
		start := strings.LastIndexAny(line[:pos], " \t;|&<>=") + 1
		word := line[start:pos]
		found := s.complete(word, strings.TrimSpace(line[:start]) == "")
		if len(found) == 0 {
			return line, pos, true
		}
		common := found[0]
		for _, f := range found[1:] {
			for !strings.HasPrefix(f, common) {
				common = common[:len(common)-1]
			}
		}
		if len(found) == 1 && !strings.HasSuffix(common, "/") {
			common += " "
		}
		return line[:start] + common + line[pos:], start + len(common), true
	}
}

func (s *shell) complete(word string, command bool) []string {
	dirs, prefix := []string{s.runner.Dir}, word
	lead := ""
	if i := strings.LastIndexByte(word, '/'); i >= 0 {
		lead, prefix = word[:i+1], word[i+1:]
		dir := lead
		if rest, ok := strings.CutPrefix(dir, "~/"); ok {
			dir = os.Getenv("HOME") + "/" + rest
		}
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(s.runner.Dir, dir)
		}
		dirs = []string{dir}
	} else if command {
		dirs = filepath.SplitList(s.runner.Vars["PATH"].Str)
	}
	var found []string
	seen := map[string]bool{}
	for _, d := range dirs {
		entries, _ := os.ReadDir(d)
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), prefix) || seen[e.Name()] || prefix == "" && strings.HasPrefix(e.Name(), ".") {
				continue
			}
			seen[e.Name()] = true
			name := lead + e.Name()
			if e.IsDir() {
				name += "/"
			}
			found = append(found, name)
		}
	}
	return found
}

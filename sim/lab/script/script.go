package script

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"

	"labsim/sim"
)

// API makes one call of the EC2 API. ec2.Client is one.
type API interface {
	Do(ctx context.Context, action string, in, out any) error
}

// Runner runs scripts. Its zero value but for API is ready.
type Runner struct {
	API API
	// Wait calls done whenever the world or the machine changes, until it returns
	// true: `aws ec2 wait` for the instances with these ids. nil: that is an error.
	Wait func(ctx context.Context, ids []string, done func(context.Context) (bool, error)) error
	// Out is what the commands print; nil: nothing.
	Out io.Writer
}

// Result is what a script leaves.
type Result struct {
	Vars  map[string]string // its variables
	Files map[string][]byte // what it wrote, by base name
}

// Run runs a script with variables until its end or the first command that
// fails, as sh -e does. The error of a call that EC2 refused is a *sim.Error.
func (r *Runner) Run(ctx context.Context, text string, vars map[string]string) (*Result, error) {
	file, err := parse(text)
	if err != nil {
		return nil, err
	}
	s := &shell{Runner: r, files: map[string][]byte{}}
	s.watch(file)
	ctx, cancel := context.WithTimeoutCause(ctx, maxTime, errTime)
	defer cancel()
	var env []string
	for _, k := range slices.Sorted(maps.Keys(vars)) {
		env = append(env, k+"="+vars[k])
	}
	var complaint complaints
	run, err := interp.New(append(s.sandbox(),
		interp.Params("-e", "-u"), interp.Dir(os.TempDir()), interp.Env(homeless{expand.ListEnviron(env...)}),
		interp.StdIO(nil, out(r.Out), &complaint))...)
	if err != nil {
		return nil, err
	}
	err = run.Run(ctx, file)
	if s.over != nil {
		return nil, s.over
	}
	if errors.Is(context.Cause(ctx), errTime) {
		return nil, wrong(sim.T("a script takes at most %s", maxTime.String()))
	}
	var status interp.ExitStatus
	if errors.As(err, &status) && (status == refused || status == unknown) { // the call that failed says more than the shell
		return nil, s.err
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(complaint.String()))
	}
	result := &Result{Vars: map[string]string{}, Files: s.files}
	for k, v := range run.Vars {
		result.Vars[k] = v.String()
	}
	return result, nil
}

// homeless leaves ~, ~NAME and $HOME as they are written: whose account this is, and
// which others the machine has, is nothing for a script.
type homeless struct{ expand.Environ }

func (h homeless) Get(name string) expand.Variable {
	switch user, ok := strings.CutPrefix(name, "HOME "); { // how the interpreter asks for ~NAME
	case ok:
		return expand.Variable{Set: true, Kind: expand.String, Str: "~" + user}
	case name == "HOME":
		return expand.Variable{Set: true, Exported: true, Kind: expand.String, Str: "~"}
	}
	return h.Environ.Get(name)
}

func out(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}

// Exit codes of commands that fail.
const (
	refused = 254 // the service refused (AWS CLI, "Return codes")
	unknown = 127 // there is no such command (POSIX, "Exit Status for Commands")
)

// shell is one run.
type shell struct {
	*Runner
	spent
	files map[string][]byte
	err   error // of the last call that failed
}

// sandbox keeps a script off the machine: no program, no directory, no file but
// those that it has written itself.
func (s *shell) sandbox() []interp.RunnerOption {
	return []interp.RunnerOption{
		interp.CallHandler(s.command),
		interp.ExecHandlers(func(interp.ExecHandlerFunc) interp.ExecHandlerFunc { return s.exec }),
		interp.OpenHandler(s.open),
		interp.ReadDirHandler2(func(context.Context, string) ([]fs.DirEntry, error) { return nil, fs.ErrPermission }),
		interp.StatHandler(func(_ context.Context, name string, _ bool) (fs.FileInfo, error) {
			return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrPermission}
		}),
		interp.AccessHandler(func(context.Context, string, interp.AccessMode) error { return fs.ErrPermission }),
	}
}

// exec runs the programs that there are.
func (s *shell) exec(ctx context.Context, args []string) error {
	hc := interp.HandlerCtx(ctx)
	line := int(hc.Pos.Line())
	counting := func(n int) error { return s.write(n, line) }
	switch args[0] {
	case "aws":
		err := s.call(line)
		if err == nil {
			err = s.aws(ctx, countedWriter{hc.Stdout, counting}, args[1:])
		}
		if err != nil {
			s.failed(err)
			return interp.ExitStatus(refused)
		}
		return nil
	case "cat": // of a here-document
		if len(args) > 1 || hc.Stdin == nil {
			return s.fail(hc.Stderr, errors.New("cat: of standard input only"))
		}
		_, err := io.Copy(hc.Stdout, counted{hc.Stdin, counting})
		return err
	case "chmod": // files of a script have no mode
		return nil
	}
	return s.fail(hc.Stderr, cannotRun(args[0]))
}

func (s *shell) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *shell) fail(w io.Writer, err error) error {
	s.failed(err)
	fmt.Fprintln(w, err)
	return interp.ExitStatus(unknown)
}

// open opens a file of the script's own.
func (s *shell) open(_ context.Context, name string, flag int, _ fs.FileMode) (io.ReadWriteCloser, error) {
	m := &memory{count: func(n int) error { return s.write(n, 0) }} // the interpreter has no place of a redirection
	if name == os.DevNull || name == "/dev/null" {
		return m, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	base := path.Base(name)
	data, ok := s.files[base]
	switch {
	case flag&(os.O_WRONLY|os.O_RDWR) == 0 && !ok:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case flag&(os.O_WRONLY|os.O_RDWR) == 0:
		m.unread = data
		return m, nil
	case flag&os.O_APPEND != 0:
		m.written = data
	}
	m.close = func(b []byte) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.files[base] = b
	}
	return m, nil
}

// memory is an open file. What it takes and gives is counted.
type memory struct {
	unread, written []byte
	count           func(int) error
	close           func([]byte)
}

func (m *memory) Read(p []byte) (int, error) {
	if len(m.unread) == 0 {
		return 0, io.EOF
	}
	n := copy(p, m.unread)
	m.unread = m.unread[n:]
	return n, m.count(n)
}

func (m *memory) Write(p []byte) (int, error) {
	if err := m.count(len(p)); err != nil {
		return 0, err
	}
	m.written = append(m.written, p...)
	return len(p), nil
}

func (m *memory) Close() error {
	if m.close != nil {
		m.close(m.written)
	}
	return nil
}

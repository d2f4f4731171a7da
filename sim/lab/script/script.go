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
	"mvdan.cc/sh/v3/syntax"

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
	// true: `aws ec2 wait`. nil: that is an error.
	Wait func(ctx context.Context, done func(context.Context) (bool, error)) error
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
	var env []string
	for _, k := range slices.Sorted(maps.Keys(vars)) {
		env = append(env, k+"="+vars[k])
	}
	var complaint strings.Builder
	run, err := interp.New(append(s.sandbox(),
		interp.Params("-e", "-u"), interp.Dir(os.TempDir()), interp.Env(expand.ListEnviron(env...)),
		interp.StdIO(nil, out(r.Out), &complaint))...)
	if err != nil {
		return nil, err
	}
	err = run.Run(ctx, file)
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

func out(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}

func parse(text string) (*syntax.File, error) {
	return syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(text), "")
}

// Exit codes of commands that fail.
const (
	refused = 254 // the service refused (AWS CLI, "Return codes")
	unknown = 127 // there is no such command (POSIX, "Exit Status for Commands")
)

// shell is one run.
type shell struct {
	*Runner
	files map[string][]byte
	err   error // of the last call that failed
}

// sandbox keeps a script off the machine: no program, no directory, no file but
// those that it has written itself.
func (s *shell) sandbox() []interp.RunnerOption {
	return []interp.RunnerOption{
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
	switch args[0] {
	case "aws":
		if err := s.aws(ctx, hc.Stdout, args[1:]); err != nil {
			s.err = err
			return interp.ExitStatus(refused)
		}
		return nil
	case "cat": // of a here-document
		if len(args) > 1 || hc.Stdin == nil {
			return s.fail(hc.Stderr, errors.New("cat: of standard input only"))
		}
		_, err := io.Copy(hc.Stdout, hc.Stdin)
		return err
	case "chmod": // files of a script have no mode
		return nil
	}
	return s.fail(hc.Stderr, &sim.Failure{What: sim.T("a lab's script can't run %s: it has aws, cat and chmod", args[0])})
}

func (s *shell) fail(w io.Writer, err error) error {
	s.err = err
	fmt.Fprintln(w, err)
	return interp.ExitStatus(unknown)
}

// open opens a file of the script's own.
func (s *shell) open(_ context.Context, name string, flag int, _ fs.FileMode) (io.ReadWriteCloser, error) {
	if name == os.DevNull || name == "/dev/null" {
		return &memory{}, nil
	}
	base := path.Base(name)
	m := &memory{close: func(b []byte) { s.files[base] = b }}
	data, ok := s.files[base]
	switch {
	case flag&(os.O_WRONLY|os.O_RDWR) == 0 && !ok:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case flag&(os.O_WRONLY|os.O_RDWR) == 0:
		return &memory{unread: data}, nil
	case flag&os.O_APPEND != 0:
		m.written = data
	}
	return m, nil
}

// maxOutput bounds what a script may write into one file, in bytes.
const maxOutput = 1 << 20

// memory is an open file.
type memory struct {
	unread, written []byte
	close           func([]byte)
}

func (m *memory) Read(p []byte) (int, error) {
	if len(m.unread) == 0 {
		return 0, io.EOF
	}
	n := copy(p, m.unread)
	m.unread = m.unread[n:]
	return n, nil
}

func (m *memory) Write(p []byte) (int, error) {
	if len(m.written)+len(p) > maxOutput {
		return 0, fmt.Errorf("more than %d bytes", maxOutput)
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

package cli

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"labsim/sim"
	"labsim/sim/agent/wire"
)

func (a *app) execCommand() *cobra.Command {
	var tty bool
	var user string
	c := &cobra.Command{
		Use:   "exec NAME -- CMD...",
		Short: a.say(sim.T("run a command in an instance, past its network and groups")),
		Args:  cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			b, i, err := a.machine(c.Context(), args[0])
			if err != nil {
				return err
			}
			code, err := a.exec(c.Context(), b, i, wire.Exec{Args: commandWords(args[1:]), TTY: tty, User: user, Stdin: true})
			if err != nil {
				return err
			}
			return exitWith(code)
		},
	}
	c.Flags().SetInterspersed(false)
	c.Flags().BoolVarP(&tty, "tty", "t", false, a.say(sim.T("give it a terminal")))
	c.Flags().StringVarP(&user, "user", "u", "", a.say(sim.T("run as this user instead of root")))
	return c
}

// commandWords takes off the -- that may stand between the instance and its command.
func commandWords(args []string) []string {
	if len(args) > 1 && args[0] == "--" {
		return args[1:]
	}
	return args
}

func exitWith(code int) error {
	if code == 0 {
		return nil
	}
	return exitCode(code)
}

// exec runs a command in a guest with this process' streams. As with docker exec,
// what the command writes comes through as it is, to a terminal too: it is what was
// asked for.
func (a *app) exec(ctx context.Context, b *box, i instance, e wire.Exec) (int, error) {
	if e.TTY {
		restore, rows, cols, err := rawTerminal()
		if err != nil {
			return 0, err
		}
		defer restore()
		e.Rows, e.Cols = rows, cols
		e.Env = append(e.Env, "TERM="+a.getenv("TERM"))
	}
	return b.exec(ctx, i.ID, e, a.in, a.out, a.err)
}

// run runs a command in a guest without streams and returns its exit code.
func (b *box) run(ctx context.Context, id string, args ...string) (int, error) {
	return b.exec(ctx, id, wire.Exec{Args: args}, nil, io.Discard, io.Discard)
}

// exec carries a process' streams over the box until the process has ended.
func (b *box) exec(ctx context.Context, id string, e wire.Exec, in io.Reader, out, errw io.Writer) (int, error) {
	conn, err := b.stream(ctx, "exec?instance="+url.QueryEscape(id))
	if err != nil {
		return 0, execError(err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	line, err := json.Marshal(e)
	if err != nil {
		return 0, err
	}
	if _, err := conn.Write(append(line, '\n')); err != nil {
		return 0, err
	}
	w := &frameWriter{w: conn}
	if e.Stdin && in != nil {
		go w.copyInput(in)
	}
	if e.TTY {
		defer w.followSize()()
	}
	return readFrames(conn, out, errw)
}

func execError(err error) error {
	if isStatus(err, http.StatusServiceUnavailable) || isStatus(err, http.StatusConflict) {
		var f *sim.Failure
		if errors.As(err, &f) {
			f.Next = append(f.Next, sim.Cmd("labsim status"))
		}
	}
	return err
}

func readFrames(r io.Reader, out, errw io.Writer) (int, error) {
	buf := make([]byte, wire.MaxFrame)
	for {
		kind, data, err := wire.ReadFrame(r, buf)
		if err != nil {
			return 0, &sim.Failure{What: sim.T("the connection to the instance broke"), Err: err}
		}
		switch kind {
		case wire.FrameStdout:
			_, err = out.Write(data)
		case wire.FrameStderr:
			_, err = errw.Write(data)
		case wire.FrameExit:
			return int(data[0]), nil
		case wire.FrameError:
			fmt.Fprintln(errw, sim.Printable(string(data)))
			return 127, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// frameWriter writes frames from several goroutines.
type frameWriter struct{ w io.Writer }

func (f *frameWriter) copyInput(in io.Reader) {
	buf := make([]byte, 32<<10)
	for {
		n, err := in.Read(buf)
		if n > 0 && wire.WriteFrame(f.w, wire.FrameStdin, buf[:n]) != nil {
			return
		}
		if err != nil {
			_ = wire.WriteFrame(f.w, wire.FrameEOF, nil)
			return
		}
	}
}

// followSize tells the guest when the terminal changes its size.
func (f *frameWriter) followSize() (stop func()) {
	ch := make(chan os.Signal, 1)
	if resizeSignal != nil {
		signal.Notify(ch, resizeSignal)
	}
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case <-ch:
				if cols, rows, err := term.GetSize(int(os.Stdin.Fd())); err == nil {
					var b [4]byte
					binary.BigEndian.PutUint16(b[:], uint16(rows))
					binary.BigEndian.PutUint16(b[2:], uint16(cols))
					_ = wire.WriteFrame(f.w, wire.FrameResize, b[:])
				}
			}
		}
	}()
	return func() { signal.Stop(ch); close(done) }
}

// rawTerminal puts the terminal into raw mode: every key goes to the guest.
func rawTerminal() (restore func(), rows, cols uint16, err error) {
	fd := int(os.Stdin.Fd())
	if !term.IsTerminal(fd) {
		return func() {}, 24, 80, nil
	}
	old, err := term.MakeRaw(fd)
	if err != nil {
		return nil, 0, 0, err
	}
	w, h, err := term.GetSize(fd)
	if err != nil {
		w, h = 80, 24
	}
	return func() { _ = term.Restore(fd, old) }, uint16(h), uint16(w), nil
}

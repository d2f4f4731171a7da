package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"labsim/sim"
	"labsim/sim/engine/docker"
	"labsim/sim/text"
)

// app is one call of labsim: its streams, its language and its flags.
type app struct {
	in       io.Reader
	out, err io.Writer
	getenv   func(string) string
	lang     text.Lang

	site    string
	langArg string
	engine  string // docker, none, "" chooses
	json    bool
	quiet   bool
	yes     bool
}

// exitCode is an error that only sets the exit code: all is said already.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// usageError is a command line that can't be meant.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// Main runs labsim and returns its exit code.
func Main(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, getenv: os.Getenv}
	a.lang = text.FromEnv(a.getenv)
	return a.run(ctx, args)
}

func (a *app) run(ctx context.Context, args []string) int {
	// The language of help and of errors about flags is needed before cobra parses.
	for i, x := range args {
		if v, ok := strings.CutPrefix(x, "--lang="); ok {
			a.lang, _ = text.Parse(v)
		} else if x == "--lang" && i+1 < len(args) {
			a.lang, _ = text.Parse(args[i+1])
		} else if x == "--" {
			break
		}
	}
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var code exitCode
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	case ctx.Err() != nil:
		a.errorln(sim.T("interrupted; what was made stays, and the next command goes on from it"))
		return 130
	case errors.As(err, &usage):
		a.explain(err)
		return 2
	}
	a.explain(err)
	return 1
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Args:          cobra.ArbitraryArgs,
		RunE:          a.noCommand,
		Use:           "labsim",
		Short:         a.say(sim.T("an EC2 region in a box: real packets, real disks, offline")),
		SilenceUsage:  true,
		SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{
			HiddenDefaultCmd: false,
		},
	}
	f := root.PersistentFlags()
	f.StringVar(&a.site, "site", cmp.Or(a.getenv("LABSIM_SITE"), string(sim.DefaultSite)), a.say(sim.T("which labsim of this machine (else LABSIM_SITE)")))
	f.StringVar(&a.langArg, "lang", "", a.say(sim.T("language: en or ko (else LC_ALL, LC_MESSAGES, LANG)")))
	f.StringVar(&a.engine, "engine", "", a.say(sim.T("docker or none (simulated); chosen by itself")))
	f.BoolVar(&a.json, "json", false, a.say(sim.T("print JSON")))
	f.BoolVarP(&a.quiet, "quiet", "q", false, a.say(sim.T("print only what is asked for, and errors")))
	f.BoolP("help", "h", false, a.say(sim.T("help about a command")))
	_ = root.RegisterFlagCompletionFunc("engine", cobra.FixedCompletions([]string{"docker", "none"}, cobra.ShellCompDirectiveNoFileComp))
	_ = root.RegisterFlagCompletionFunc("lang", cobra.FixedCompletions([]string{"en", "ko"}, cobra.ShellCompDirectiveNoFileComp))
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError{&sim.Failure{What: sim.Cmd("%s: %s", c.CommandPath(), err.Error()), Next: []sim.Text{sim.Cmd("%s --help", c.CommandPath())}}}
	})
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return a.checkFlags() }
	root.AddCommand(a.commands()...)
	a.localize(root)
	return root
}

// checkFlags checks the flags of all commands.
func (a *app) checkFlags() error {
	if _, ok := text.Parse(a.langArg); !ok {
		return usageError{&sim.Failure{What: sim.T("labsim speaks en and ko, not %q", a.langArg)}}
	}
	if a.engine != "" && a.engine != "docker" && a.engine != "none" {
		return usageError{&sim.Failure{What: sim.T("--engine is docker or none, not %q", a.engine)}}
	}
	if err := sim.CheckSite(a.site); err != nil {
		return usageError{err}
	}
	return nil
}

// noCommand is labsim by itself, or with a word that is no command.
func (a *app) noCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return root.Help()
	}
	var names []string
	for _, c := range root.Commands() {
		names = append(names, append(c.Aliases, c.Name())...)
	}
	f := &sim.Failure{What: sim.T("there is no command %q", args[0]), Next: []sim.Text{sim.Cmd("%s --help", root.CommandPath())}}
	if near, ok := sim.Nearest(args[0], names); ok {
		f.What = sim.T("there is no command %q; did you mean %s?", args[0], near)
	}
	return usageError{f}
}

// say returns a text in the user's language.
func (a *app) say(t sim.Text) string { return text.In(a.lang, t) }

// println prints a text for people, unless --quiet; with --json what is printed
// is one document.
func (a *app) println(t sim.Text) {
	if !a.quiet && !a.json {
		fmt.Fprintln(a.out, a.say(t))
	}
}

func (a *app) errorln(t sim.Text) { fmt.Fprintln(a.err, a.say(t)) }

// explain prints an error: what happened, why, and what to do next.
func (a *app) explain(err error) {
	var f *sim.Failure
	if !errors.As(err, &f) {
		f = full(err)
	}
	if f == nil {
		fmt.Fprintln(a.err, "labsim: "+sim.Printable(err.Error()))
		return
	}
	line := "labsim: " + a.say(f.What)
	if f.Err != nil && !isKind(f.Err) {
		line += ": " + sim.Printable(f.Err.Error())
	}
	fmt.Fprintln(a.err, line)
	for _, n := range f.Next {
		fmt.Fprintln(a.err, "  "+a.respell(a.say(n)))
	}
}

// isKind reports whether an error only says of which kind a failure is.
func isKind(err error) bool {
	return slices.ContainsFunc([]error{docker.ErrNoDocker, docker.ErrUnusable, docker.ErrNotUp, docker.ErrSilent}, func(k error) bool { return err == k })
}

// tty reports whether w is a terminal that may be drawn on.
func (a *app) tty(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && a.getenv("TERM") != "dumb"
}

// color reports whether w may be coloured (no-color.org).
func (a *app) color(w io.Writer) bool { return a.tty(w) && a.getenv("NO_COLOR") == "" }

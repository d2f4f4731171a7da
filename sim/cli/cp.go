package cli

import (
	"context"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"labsim/sim"
)

func (a *app) cpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "cp SRC... DST",
		Short: a.say(sim.T("copy files: one side is NAME:PATH")),
		Args:  cobra.MinimumNArgs(2),
		RunE:  func(c *cobra.Command, args []string) error { return a.cp(c.Context(), args) },
	}
}

// cp is scp with the way to the instance filled in.
func (a *app) cp(ctx context.Context, args []string) error {
	name := ""
	for _, x := range args {
		n, ok := remote(x)
		if ok && name != "" && name != n {
			return usageError{&sim.Failure{What: sim.T("copy between this computer and one instance, not between %s and %s", name, n)}}
		}
		if ok {
			name = n
		}
	}
	if name == "" {
		return usageError{&sim.Failure{What: sim.T("no side names an instance"), Next: []sim.Text{sim.Cmd("labsim cp FILE NAME:PATH")}}}
	}
	r, err := a.sshRoute(ctx, name)
	if err != nil {
		return err
	}
	config, err := a.sshConfig(r)
	if err != nil {
		return err
	}
	words := []string{"-F", config, "-r", "--"}
	for _, x := range args {
		if n, ok := remote(x); ok {
			x = r.target.alias() + strings.TrimPrefix(x, n)
		}
		words = append(words, x)
	}
	return runTool(ctx, "scp", words)
}

// remote reads NAME:PATH; a path with a slash before the colon is a local one, and
// so is one with a drive of Windows.
func remote(s string) (name string, ok bool) {
	name, _, ok = strings.Cut(s, ":")
	drive := runtime.GOOS == "windows" && len(name) == 1
	return name, ok && name != "" && !strings.ContainsAny(name, "/\\") && !drive
}

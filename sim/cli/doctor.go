package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"labsim/sim"
	"labsim/sim/engine/docker"
)

func (a *app) doctorCommand() *cobra.Command {
	var repair bool
	c := &cobra.Command{
		Use: "doctor", Short: a.say(sim.T("look for what could keep labsim from working, with a fix for each finding")), Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if repair {
				return a.repair(c.Context())
			}
			return a.doctor(c.Context())
		},
	}
	c.Flags().BoolVar(&repair, "repair", false, a.say(sim.T("put right what was changed in the machine behind labsim's back: rules, routes, links")))
	return c
}

func (a *app) doctor(ctx context.Context) error {
	findings := docker.Check(ctx, docker.Options{Site: sim.Site(a.site)})
	if a.json {
		return a.printJSON(findings)
	}
	if a.printFindings(findings) {
		return exitCode(1)
	}
	return nil
}

// printFindings reports whether labsim can't work with one of them.
func (a *app) printFindings(findings []docker.Finding) (bad bool) {
	for _, f := range findings {
		if f.Problem.Format == "" {
			if !a.quiet {
				fmt.Fprintf(a.out, "✓ %s: %s\n", a.say(f.Subject), a.say(f.Seen))
			}
			continue
		}
		bad = bad || f.Fatal
		fmt.Fprintf(a.out, "✗ %s: %s\n", a.say(f.Subject), a.say(f.Problem))
		if f.Fix.Format != "" {
			fmt.Fprintf(a.out, "    %s\n", a.respell(a.say(f.Fix)))
		}
	}
	return bad
}

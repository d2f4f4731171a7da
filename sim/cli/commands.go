package cli

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"labsim/images"
	"labsim/sim"
	"labsim/sim/agent/wire"
)

// commands lists all commands, in the order in which help shows them.
func (a *app) commands() []*cobra.Command {
	list := []*cobra.Command{a.upCommand(), a.downCommand(), a.statusCommand(), a.sshCommand(), a.execCommand(), a.cpCommand(), a.logsCommand()}
	list = append(list, a.lifecycleCommands()...)
	list = append(list, a.traceCommand(), a.graphCommand(), a.labCommand(), a.openCommand(), a.envCommand(), a.awsCommand(), a.serveCommand(),
		a.initCommand(), a.doctorCommand(), a.stateCommand(), a.versionCommand(), a.dialCommand())
	a.complete(list)
	return list
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: a.say(sim.T("print the build of labsim, and of what is up")), Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, args []string) error {
			build := "?"
			if exe, err := executable(); err == nil {
				if h, err := images.BuildHash(exe); err == nil {
					build = h
				}
			}
			fmt.Fprintf(a.out, "labsim %s (%s/%s, protocol %d)\n", build, runtime.GOOS, runtime.GOARCH, wire.Protocol)
			b, err := a.find(c.Context())
			if err != nil {
				return nil // nothing is up: that is no error here
			}
			v, err := b.version(c.Context())
			if err != nil {
				return err
			}
			fmt.Fprintf(a.out, "control %s (%s), agent %s\n", v.Build, v.Engine, v.AgentBuild)
			return nil
		},
	}
}

// localize gives cobra's own words the user's language.
func (a *app) localize(root *cobra.Command) {
	root.SetUsageTemplate(a.say(sim.T("Usage:")) + `
  {{if .HasAvailableSubCommands}}{{.CommandPath}} COMMAND{{else}}{{.UseLine}}{{end}}
{{if .HasAvailableSubCommands}}
` + a.say(sim.T("Commands:")) + `{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}
{{end}}{{if .HasAvailableLocalFlags}}
` + a.say(sim.T("Flags:")) + `
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}
{{end}}{{if .HasAvailableInheritedFlags}}
` + a.say(sim.T("Flags of all commands:")) + `
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}
{{end}}`)
	root.SetHelpTemplate(`{{.Short}}

{{.UsageString}}`)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Short = a.say(sim.T("help about a command"))
		case "completion":
			c.Short = a.say(sim.T("print a completion script for your shell"))
		}
	}
	a.wantArgs(root)
}

// wantArgs has the commands below one say how they are called, where they are
// called otherwise.
func (a *app) wantArgs(root *cobra.Command) {
	for _, c := range root.Commands() {
		args := c.Args
		if args == nil {
			continue
		}
		c.Args = func(c *cobra.Command, words []string) error {
			if err := args(c, words); err != nil {
				name := strings.TrimPrefix(c.CommandPath(), "labsim ")
				return usageError{&sim.Failure{What: sim.T("labsim %s is called like this: %s", name, a.spell(name+strings.TrimPrefix(c.Use, c.Name()))), Next: []sim.Text{sim.Cmd("labsim %s --help", name)}}}
			}
			return nil
		}
	}
}

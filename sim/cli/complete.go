package cli

import (
	"math"
	"slices"

	"github.com/spf13/cobra"

	"labsim/compose"
)

// complete tells the shell's Tab key what the arguments of the commands may be. A
// shell shows no errors while it completes: without a box there are no words.
func (a *app) complete(list []*cobra.Command) {
	const noFiles, noSpace = cobra.ShellCompDirectiveNoFileComp, cobra.ShellCompDirectiveNoSpace
	of := map[string]cobra.CompletionFunc{
		"ssh": a.instanceWords("", 1, noFiles), "exec": a.instanceWords("", 1, noFiles), "logs": a.instanceWords("", 1, noFiles),
		"stop": a.instanceWords("", math.MaxInt, noFiles), "start": a.instanceWords("", math.MaxInt, noFiles),
		"reboot": a.instanceWords("", math.MaxInt, noFiles), "terminate": a.instanceWords("", math.MaxInt, noFiles),
		"trace": a.instanceWords("", 2, noFiles, "internet"),
		"open":  a.instanceWords(":", 1, noFiles|noSpace),
		"cp":    a.instanceWords(":", math.MaxInt, noSpace), // or a file
		"down":  a.labWords,
		"up":    nil, "init": nil, // a file
	}
	for _, c := range list {
		if f, ok := of[c.Name()]; ok {
			c.ValidArgsFunction = f
		} else {
			c.ValidArgsFunction = cobra.NoFileCompletions
		}
		if c.Name() == "lab" {
			a.completeLab(c.Commands())
		}
	}
}

// completeLab does so for the commands of a lab done by hand.
func (a *app) completeLab(list []*cobra.Command) {
	for _, c := range list {
		switch c.Name() {
		case "start":
			c.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
				return compose.Names(), cobra.ShellCompDirectiveDefault // or a directory
			}
		case "lint":
			c.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
				return nil, cobra.ShellCompDirectiveFilterDirs
			}
		case "guide", "check", "hint", "solve":
			c.ValidArgsFunction = a.stepWords
		default:
			c.ValidArgsFunction = cobra.NoFileCompletions
		}
	}
}

// stepWords completes the steps of the lab that is under way.
func (a *app) stepWords(_ *cobra.Command, args []string, _ string) (words []string, _ cobra.ShellCompDirective) {
	if _, f, err := a.underWay(); err == nil && len(args) == 0 {
		for _, s := range f.Steps {
			words = append(words, s.Name)
		}
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}

// instanceWords completes the first arguments of a command with instances that are
// not among them yet.
func (a *app) instanceWords(suffix string, count int, directive cobra.ShellCompDirective, more ...string) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= count {
			return nil, directive
		}
		words := slices.Clone(more)
		b, err := a.find(c.Context())
		if err != nil {
			return words, directive
		}
		list, _ := b.instances(c.Context(), nil)
		for _, i := range list {
			// bash expands the words that it is offered (compgen -W), $(...) too.
			if word := i.alias(); !slices.Contains(args, word) {
				words = append(words, word+suffix)
			}
		}
		return words, directive
	}
}

// labWords completes labs that stand, or lab files.
func (a *app) labWords(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	b, err := a.find(c.Context())
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	names, _ := b.labs(c.Context())
	names = slices.DeleteFunc(names, func(n string) bool { return !plainName().MatchString(n) })
	return names, cobra.ShellCompDirectiveDefault
}

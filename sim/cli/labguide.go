package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"labsim/sim"
	"labsim/sim/graph"
	"labsim/sim/lab/exercise"
)

func (a *app) labGuideCommand() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use: "guide [STEP]", Short: a.say(sim.T("show the page of the step at hand, or of STEP; 0 is the introduction")), Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return a.labGuide(c.Context(), args, all) },
	}
	c.Flags().BoolVar(&all, "all", false, a.say(sim.T("all pages")))
	return c
}

func (a *app) labGuide(ctx context.Context, args []string, all bool) error {
	_, f, b, attempt, err := a.attempt(ctx)
	if err != nil {
		return err
	}
	g, ok := f.Guides[string(a.lang)]
	if !ok {
		g = f.Guides["en"]
	}
	var numbers []int
	switch {
	case all:
		for i := range g.Pages {
			numbers = append(numbers, i)
		}
	case len(args) > 0 && args[0] == "0":
		numbers = []int{0}
	case len(args) > 0:
		i, err := stepNamed(f.Exercise, args[0])
		if err != nil {
			return err
		}
		numbers = []int{i + 1}
	default:
		results, err := a.atHand(ctx, f, attempt, nil)
		if err != nil {
			return err
		}
		n := len(g.Pages) - 1 // where all is done, the last page
		if len(results) > 0 {
			n = 1 + slices.IndexFunc(f.Steps, func(s exercise.Step) bool { return s.Name == results[0].Step })
		}
		numbers = []int{n}
	}
	picture, err := a.livePicture(ctx, b)
	if err != nil {
		return err
	}
	if a.json {
		var pages []exercise.Page
		for _, n := range numbers {
			pages = append(pages, g.Pages[n].Filled(attempt.Cast.Vars()))
		}
		return a.printJSON(pages)
	}
	for _, n := range numbers {
		a.printPage(g, n, g.Pages[n].Filled(attempt.Cast.Vars()), picture)
	}
	if n := numbers[len(numbers)-1]; !all && n+1 < len(g.Pages) {
		a.println(sim.T("Then: %s. The next page: %s", a.spell("lab check"), a.spell(fmt.Sprintf("lab guide %d", n+1))))
	}
	return nil
}

// livePicture draws what stands.
func (a *app) livePicture(ctx context.Context, b *box) (string, error) {
	m, err := b.model(ctx)
	if err != nil {
		return "", err
	}
	return graph.Text(m, a.say), nil
}

// printPage prints a page of a guide, with the reader's own ids in its commands.
func (a *app) printPage(g *exercise.Guide, n int, p exercise.Page, picture string) {
	title := p.Title
	if n == 0 {
		title = g.Title
	}
	fmt.Fprintln(a.out, a.style("1", title))
	for _, x := range p.Parts {
		switch {
		case x.Picture:
			fmt.Fprint(a.out, "\n"+picture)
		case x.Block && x.Lang == "sh":
			a.printBlock(a.ownCommands(x.Text))
		case x.Block:
			a.printBlock(x.Text)
		default:
			fmt.Fprint(a.out, a.prose(x.Text))
		}
	}
}

func (a *app) printBlock(text string) {
	for line := range strings.Lines(text) {
		fmt.Fprint(a.out, a.style("36", strings.TrimSuffix(line, "\n"))+"\n")
	}
}

// ownCommands spells labsim in a guide's commands as it was called.
func (a *app) ownCommands(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(a.respell(line))
	}
	return b.String()
}

// prose takes Markdown's marks out of text, or makes them visible.
func (a *app) prose(text string) string {
	var b strings.Builder
	for i, part := range strings.Split(text, "**") {
		if i%2 == 1 {
			part = a.style("1", part)
		}
		b.WriteString(part)
	}
	var out strings.Builder
	for i, part := range strings.Split(b.String(), "`") {
		if i%2 == 1 {
			part = a.style("36", part)
		}
		out.WriteString(part)
	}
	return out.String()
}

// style writes text in a style where the terminal has one (ECMA-48, SGR).
func (a *app) style(code, text string) string {
	if !a.color(a.out) || text == "" {
		return sim.Printable(text)
	}
	return "\x1b[" + code + "m" + sim.Printable(text) + "\x1b[0m"
}

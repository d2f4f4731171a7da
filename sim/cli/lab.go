package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"labsim/compose"
	"labsim/sim"
	"labsim/sim/lab"
	"labsim/sim/lab/exercise"
	"labsim/sim/lab/script"
	"labsim/sim/lab/source"
)

// A lab that is done by hand: `labsim lab`.

func (a *app) labCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "lab", Short: a.say(sim.T("do a lab by hand, with a guide, checks and hints")),
		Args: cobra.ArbitraryArgs, RunE: a.noCommand,
	}
	list := []*cobra.Command{
		{Use: "list", Short: a.say(sim.T("list the labs")), Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return a.labList() }},
		a.labStartCommand(),
		a.labGuideCommand(),
		a.labCheckCommand(),
		{Use: "hint [STEP]", Short: a.say(sim.T("a hint for what is still missing: a question, then a pointer, then the commands")), Args: cobra.MaximumNArgs(1),
			RunE: func(c *cobra.Command, args []string) error { return a.labHint(c.Context(), args) }},
		{Use: "solve [STEP]", Short: a.say(sim.T("do a step for me")), Args: cobra.MaximumNArgs(1),
			RunE: func(c *cobra.Command, args []string) error { return a.labSolve(c.Context(), args) }},
		{Use: "reset", Short: a.say(sim.T("begin the lab again")), Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return a.labReset(c.Context()) }},
		{Use: "status", Short: a.say(sim.T("say which lab is under way, and how far it is")), Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error { return a.labStatus(c.Context()) }},
		{Use: "lint DIR", Short: a.say(sim.T("check a lab of your own")), Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error { return a.labLint(args[0]) }},
	}
	for _, x := range list {
		if x.Name() == "reset" {
			x.Flags().BoolVarP(&a.yes, "yes", "y", false, a.say(sim.T("don't ask")))
		}
	}
	c.AddCommand(list...)
	a.wantArgs(c)
	return c
}

// labState is which lab is under way, and what of it was told already.
type labState struct {
	Lab   string         // the name of one that comes with labsim, or a directory
	Seed  int            `json:",omitempty"`
	Hints map[string]int `json:",omitempty"` // levels given, by check
	// Beginning says that what the lab begins with is still being made.
	Beginning bool `json:",omitempty"`
}

func (a *app) labStateFile() (string, error) {
	dir, err := a.stateDir()
	return filepath.Join(dir, "lab.json"), err
}

func (a *app) saveLab(s labState) error {
	file, err := a.labStateFile()
	if err != nil {
		return err
	}
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return writeFile(file, data)
}

// underWay returns the lab that was started.
func (a *app) underWay() (s labState, f *exercise.Folder, err error) {
	file, err := a.labStateFile()
	if err != nil {
		return s, nil, err
	}
	data, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(data, &s) != nil || s.Lab == "" {
		return s, nil, &sim.Failure{What: sim.T("no lab is under way"), Next: []sim.Text{sim.Cmd("labsim lab list"), sim.Cmd("labsim lab start %s", compose.Default)}}
	}
	if s.Hints == nil {
		s.Hints = map[string]int{}
	}
	f, err = a.openLab(s.Lab)
	return s, f, err
}

// labFolder is the directory of a lab: one that comes with labsim, or the user's.
func labFolder(word string) (fs.FS, error) {
	if slices.Contains(compose.Names(), word) {
		return fs.Sub(compose.Labs, word)
	}
	st, err := os.Stat(word)
	if err == nil && st.IsDir() {
		return source.Folder(word)
	}
	f := &sim.Failure{What: sim.T("there is no lab %q", word), Next: []sim.Text{sim.Cmd("labsim lab list")}}
	if near, ok := sim.Nearest(word, compose.Names()); ok {
		f.What = sim.T("there is no lab %q; did you mean %s?", word, near)
	}
	return nil, f
}

// openLab reads a lab and prints what is wrong with it.
func (a *app) openLab(word string) (*exercise.Folder, error) {
	dir, err := labFolder(word)
	if err != nil {
		return nil, err
	}
	f, problems := exercise.Open(dir, filepath.Base(word))
	if source.Fatal(problems) {
		a.printProblems(problems)
		return nil, &sim.Failure{What: sim.T("%s can't be used; nothing was changed", word)}
	}
	return f, nil
}

func (a *app) labList() error {
	type row struct{ Name, Title, About string }
	var rows []row
	for _, name := range compose.Names() {
		f, err := a.openLab(name)
		if err != nil {
			return err
		}
		rows = append(rows, row{name, f.Title.In(string(a.lang)), f.About.In(string(a.lang))})
	}
	if a.json {
		return a.printJSON(rows)
	}
	for _, r := range rows {
		fmt.Fprintf(a.out, "%s\n  %s\n  %s\n", r.Name, r.Title, r.About)
	}
	return nil
}

func (a *app) labLint(dir string) error {
	if filepath.Base(dir) == exercise.FileChecks { // an editor has the file's name at hand
		dir = filepath.Dir(dir)
	}
	folder, err := labFolder(dir)
	if err != nil {
		return err
	}
	_, problems := exercise.Open(folder, filepath.Base(dir))
	problems = append(problems, a.lintCompose(folder, filepath.Join(dir, exercise.FileCompose))...)
	a.printProblems(problems)
	if source.Fatal(problems) {
		return exitCode(1)
	}
	a.println(sim.T("%s is in order", dir))
	return nil
}

// lintCompose checks a lab's Compose file, where it has one.
func (a *app) lintCompose(folder fs.FS, name string) []source.Problem {
	data, err := source.ReadFile(folder, exercise.FileCompose)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return []source.Problem{{File: name, Text: sim.T("the file can't be read: %s", script.TextOf(err))}}
	}
	_, problems := lab.Load(name, data)
	return problems
}

// stepNamed finds a step by its number, from 1, or its name.
func stepNamed(x *exercise.Exercise, word string) (int, error) {
	var names []string
	for i, s := range x.Steps {
		if s.Name == word || strconv.Itoa(i+1) == word {
			return i, nil
		}
		names = append(names, fmt.Sprintf("%d (%s)", i+1, s.Name))
	}
	return 0, usageError{&sim.Failure{What: sim.T("there is no step %q; the lab has %s", word, strings.Join(names, ", "))}}
}

// attempt looks at the account for the lab that is under way.
func (a *app) attempt(ctx context.Context) (labState, *exercise.Folder, *box, *exercise.Attempt, error) {
	s, f, err := a.underWay()
	if err != nil {
		return s, nil, nil, nil, err
	}
	if s.Beginning {
		return s, nil, nil, nil, &sim.Failure{What: sim.T("the lab has not begun: its start was cut off"), Next: []sim.Text{sim.Cmd("labsim lab reset")}}
	}
	b, err := a.find(ctx)
	if err != nil {
		return s, nil, nil, nil, err
	}
	attempt, err := f.Look(ctx, &labRegion{a, b}, cmp.Or(string(a.lang), "en"))
	return s, f, b, attempt, err
}

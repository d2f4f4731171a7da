package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"labsim/compose"
	"labsim/sim"
	"labsim/sim/lab"
	"labsim/sim/lab/exercise"
	"labsim/sim/lab/source"
)

type upFlags struct {
	port     int
	public   string
	internet bool
	check    bool
}

func (a *app) upCommand() *cobra.Command {
	var f upFlags
	c := &cobra.Command{
		Use:   "up [FILE]",
		Short: a.say(sim.T("bring a lab up: the lab of the five steps, or that of FILE")),
		Args:  cobra.MaximumNArgs(1),
		RunE:  func(c *cobra.Command, args []string) error { return a.up(c.Context(), args, f) },
	}
	c.Flags().BoolVarP(&a.yes, "yes", "y", false, a.say(sim.T("also where data is destroyed")))
	c.Flags().IntVar(&f.port, "port", 0, a.say(sim.T("port of the API on 127.0.0.1 (else 4566, or 4567 for another site than labsim, or the next free one)")))
	c.Flags().StringVar(&f.public, "public-range", "", a.say(sim.T("the /24 of the public addresses (else 198.51.100.0/24 or the next free one)")))
	c.Flags().BoolVar(&f.check, "check", false, a.say(sim.T("change nothing: show what differs from the lab file, send the packets, name what is broken")))
	c.Flags().BoolVar(&f.internet, "internet", false, a.say(sim.T("let instances reach the real internet")))
	return c
}

// up makes the box, then the lab, then looks whether it is so.
func (a *app) up(ctx context.Context, args []string, f upFlags) error {
	l, err := a.loadLab(args)
	if err != nil {
		return err
	}
	l.Internet = l.Internet || f.internet
	again := sim.Cmd("%s", shellJoin(append([]string{"labsim", "up"}, args...)))
	if f.check {
		return a.check(ctx, l, again)
	}
	ls := a.newLines()
	b, about, err := a.installBox(ctx, ls, f)
	if err == nil && about.Unclaimed != nil {
		if err = a.claim(ctx, about.Unclaimed); err == nil {
			b, about, err = a.installBox(ctx, ls, f)
		}
	}
	if err != nil {
		return err
	}
	release, err := a.lease(ctx, b)
	if err != nil {
		return err
	}
	defer release()
	u := &bringUp{app: a, box: b, lab: l, again: again, lines: ls, simulated: about.Engine == "none", region: about.Region}
	if err := u.apply(ctx); err != nil {
		return err
	}
	return u.finish(ctx)
}

// loadLab reads the lab file, and prints what is wrong with it.
func (a *app) loadLab(args []string) (*lab.Lab, error) {
	name, data := compose.Default+"/compose.yaml", []byte(nil)
	var err error
	if len(args) == 0 {
		data, err = compose.File(compose.Default)
	} else {
		name, data, err = readLab(args[0])
	}
	if err != nil {
		return nil, &sim.Failure{What: sim.T("the lab file %s can't be read", name), Err: err, Next: []sim.Text{sim.Cmd("labsim init")}}
	}
	l, problems := lab.Load(name, data)
	a.printProblems(problems)
	if source.Fatal(problems) {
		return nil, &sim.Failure{What: sim.T("%s can't be used; nothing was changed", name)}
	}
	return l, nil
}

// readLab reads the lab file that a word means: itself, or that of a directory.
func readLab(word string) (name string, data []byte, err error) {
	if st, err := os.Stat(word); err != nil || !st.IsDir() {
		data, err := source.ReadNamed(word)
		return word, data, err
	}
	name = filepath.Join(word, exercise.FileCompose)
	dir, err := source.Folder(word)
	if err != nil {
		return name, nil, err
	}
	data, err = source.ReadFile(dir, exercise.FileCompose)
	return name, data, err
}

// printProblems shows what is wrong with a file, each with its place.
func (a *app) printProblems(list []source.Problem) {
	for _, p := range list {
		mark := a.say(sim.T("error"))
		if p.Warning {
			mark = a.say(sim.T("warning"))
		}
		fmt.Fprintf(a.err, "%s: %s: %s\n", sim.Printable(p.Place()), mark, a.say(p.Text))
	}
}

// lease makes sure that one `up` or `down` at a time changes a site. It ends
// with the connection, however this process ends.
func (a *app) lease(ctx context.Context, b *box) (release func(), err error) {
	host, _ := os.Hostname()
	holder := fmt.Sprintf("labsim %s, pid %d on %s", strings.Join(os.Args[1:], " "), os.Getpid(), host)
	conn, err := b.stream(ctx, "lease?holder="+url.QueryEscape(holder))
	if isStatus(err, http.StatusConflict) {
		return nil, &sim.Failure{What: sim.T("another labsim is changing this site"), Err: err, Next: []sim.Text{sim.T("wait until it has ended, and repeat")}}
	}
	if err != nil {
		return nil, err
	}
	return func() {
		// Wait for control to say that it is free: the next command finds it so.
		defer conn.Close()
		_ = conn.CloseWrite()
		_ = conn.SetReadDeadline(time.Now().Add(time.Second)) // if control is gone, so is the lease
		_, _ = io.Copy(io.Discard, conn)
	}, nil
}

// bringUp is one `up` under way.
type bringUp struct {
	app       *app
	box       *box
	lab       *lab.Lab
	again     sim.Text // the command that applies the lab file
	lines     *lines
	scope     *scope // the lab's own
	region    sim.Region
	simulated bool
}

func (u *bringUp) options() lab.Options {
	return lab.Options{Region: u.region, SaveKey: u.app.saveKey, HasKey: u.app.hasKey, Wait: u.box.waiter(u.scope, u.lines.note)}
}

// waiter makes package lab wait as everybody here does.
func (b *box) waiter(of *scope, tell func(sim.Text)) func(context.Context, func(context.Context) (bool, error)) error {
	return func(ctx context.Context, done func(context.Context) (bool, error)) error {
		return b.await(ctx, of, tell, func(boxStatus) (bool, error) { return done(ctx) })
	}
}

func (u *bringUp) apply(ctx context.Context) error {
	u.scope = u.box.labScope(u.lab.Name)
	if err := u.scope.begin(ctx); err != nil { // now: what goes is known by it
		return u.app.failed(ctx, u.box, err)
	}
	changes, err := lab.Diff(ctx, u.box.ec2, u.lab, u.options())
	if err != nil {
		return u.app.failed(ctx, u.box, err)
	}
	if changes.Stands() {
		u.show(changes.List)
	}
	if err := u.app.confirm(changes.DestroysData()); err != nil {
		return err
	}
	if err := u.deletions(ctx, changes); err != nil {
		return err
	}
	for step := lab.StepVPC; step <= lab.StepInstances; step++ {
		label := fmt.Sprintf(" %d ", step)
		u.lines.start(label, stepTitle(step))
		o := u.options()
		o.Progress = func(c lab.Change) { u.lines.update(label, sim.Cmd("%s: %s %s", stepTitle(step), c.Kind, c.Name)) }
		err := changes.Apply(ctx, u.box.ec2, step, o)
		if err == nil && step == lab.StepInstances {
			err = u.running(ctx, changes.IDs("instance"), label)
		}
		var shown string
		if err == nil {
			shown, err = u.describe(ctx, step)
		}
		u.lines.end(err == nil, label, pad(u.app.say(stepTitle(step)), titleWidth)+u.mark()+shown)
		if err != nil {
			return u.app.failed(ctx, u.box, err)
		}
	}
	return nil
}

// show says what will change of a lab that stands.
func (u *bringUp) show(list []lab.Change) {
	seen := map[string]bool{}
	for _, c := range list {
		t := sim.Cmd("   %s", changeText(c))
		if line := u.app.say(t); !seen[line] {
			seen[line] = true
			u.app.println(t)
		}
	}
}

// changeText is a change in one line: "~ security-group db: ...".
func changeText(c lab.Change) sim.Text {
	marks := map[lab.Verb]string{lab.Create: "+", lab.Start: "+", lab.Update: "~", lab.Stop: "-", lab.Delete: "-"}
	switch {
	case c.DestroysData:
		return sim.T("%s %s %s, with its data", marks[c.Verb], c.Kind, c.Name)
	case c.Detail.Format != "":
		return sim.Cmd("%s %s %s: %s", marks[c.Verb], c.Kind, c.Name, c.Detail)
	}
	return sim.Cmd("%s %s %s", marks[c.Verb], c.Kind, c.Name)
}

// deletions is what comes before the five steps, on a line of its own.
func (u *bringUp) deletions(ctx context.Context, changes *lab.Changes) error {
	if !slices.ContainsFunc(changes.List, func(c lab.Change) bool { return c.Step == 0 }) {
		return nil
	}
	label, title := "   ", sim.T("What goes")
	u.lines.start(label, title)
	o := u.options()
	o.Progress = func(c lab.Change) { u.lines.update(label, sim.Cmd("%s: %s %s", title, c.Kind, c.Name)) }
	err := changes.Apply(ctx, u.box.ec2, 0, o)
	u.lines.end(err == nil, label, u.app.say(title))
	if err != nil {
		return u.app.failed(ctx, u.box, err)
	}
	return nil
}

// stepAccess is the look at packets that follows the four steps of the lab.
const stepAccess = lab.StepInstances + 1

// titleWidth is the column where the facts of a step begin.
const titleWidth = 31

func stepTitle(step int) sim.Text {
	switch step {
	case lab.StepVPC:
		return sim.T("Custom VPC")
	case lab.StepSubnets:
		return sim.T("Public and private subnets")
	case lab.StepRoutes:
		return sim.T("Routes and internet gateway")
	case lab.StepInstances:
		return sim.T("Instances")
	}
	return sim.T("Access")
}

// mark stands on every line of a lab whose packets are not real.
func (u *bringUp) mark() string {
	if u.simulated {
		return u.app.say(sim.T("simulated")) + "  "
	}
	return ""
}

// confirm asks before data is destroyed.
func (a *app) confirm(changes []lab.Change) error {
	if len(changes) == 0 || a.yes {
		return nil
	}
	for _, c := range changes {
		if c.ByHand {
			a.errorln(sim.T("was added by hand and goes with the lab: %s %s %s", c.Kind, c.Name, ""))
		} else {
			a.errorln(sim.T("will be deleted with its data: %s %s", c.Kind, c.Name))
		}
	}
	return a.ask(sim.T("Go on?"))
}

// ask wants a yes from the terminal; without one, --yes is the only way.
func (a *app) ask(question sim.Text) error {
	refused := &sim.Failure{What: sim.T("nothing was changed"), Next: []sim.Text{sim.T("repeat it with --yes")}}
	if f, ok := a.in.(*os.File); !ok || !a.tty(f) {
		return refused
	}
	fmt.Fprintf(a.err, "%s [y/N] ", a.say(question))
	var answer string
	fmt.Fscanln(a.in, &answer)
	if strings.HasPrefix(strings.ToLower(answer), "y") {
		return nil
	}
	return refused
}

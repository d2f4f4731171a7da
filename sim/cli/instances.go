package cli

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"labsim/sim"
	"labsim/sim/ec2/wire"
)

// lifecycle is stop, start, reboot and terminate: one call, then waiting for the state.
func (a *app) lifecycle(name string, short sim.Text, until sim.InstanceState, do func(context.Context, *box, []string) error) *cobra.Command {
	return &cobra.Command{
		Use: name + " NAME...", Short: a.say(short), Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			b, err := a.find(ctx)
			if err != nil {
				return err
			}
			var ids []string
			of := scopeOf()
			for _, word := range args {
				i, err := a.named(ctx, b, word)
				if err != nil {
					return err
				}
				ids = append(ids, i.ID)
				of.add(append(i.Volumes, i.ID, i.Subnet))
			}
			if err := do(ctx, b, ids); err != nil {
				return a.failed(ctx, b, err)
			}
			if err := b.reach(ctx, of, a.errorln, ids, until); err != nil {
				return err
			}
			_, err = a.saveHostKeys(ctx, b)
			return err
		},
	}
}

func (a *app) lifecycleCommands() []*cobra.Command {
	return []*cobra.Command{
		a.lifecycle("stop", sim.T("stop instances; disks and private addresses stay"), sim.StateStopped, func(ctx context.Context, b *box, ids []string) error {
			return b.ec2.Do(ctx, "StopInstances", &wire.StopInstancesRequest{InstanceIds: ids}, nil)
		}),
		a.lifecycle("start", sim.T("start stopped instances; the public address changes"), sim.StateRunning, func(ctx context.Context, b *box, ids []string) error {
			return b.ec2.Do(ctx, "StartInstances", &wire.StartInstancesRequest{InstanceIds: ids}, nil)
		}),
		a.lifecycle("reboot", sim.T("reboot instances; nothing changes its address"), sim.StateRunning, func(ctx context.Context, b *box, ids []string) error {
			return b.ec2.Do(ctx, "RebootInstances", &wire.RebootInstancesRequest{InstanceIds: ids}, nil)
		}),
		a.lifecycle("terminate", sim.T("terminate instances; the root disk is lost"), sim.StateTerminated, func(ctx context.Context, b *box, ids []string) error {
			return b.ec2.Do(ctx, "TerminateInstances", &wire.TerminateInstancesRequest{InstanceIds: ids}, nil)
		}),
	}
}

// reach waits until all instances have a state, and the machine is what the world
// says of them. One that has settled in another state, as one that halts itself does,
// is a failure.
func (b *box) reach(ctx context.Context, of *scope, tell func(sim.Text), ids []string, state sim.InstanceState) error {
	return b.await(ctx, of, tell, func(s boxStatus) (bool, error) {
		var out wire.DescribeInstancesResult
		if err := b.ec2.Do(ctx, "DescribeInstances", &wire.DescribeInstancesRequest{InstanceIds: ids}, &out); err != nil {
			return false, err
		}
		for _, r := range out.Reservations {
			for _, i := range r.Instances {
				if i.State == nil || wire.Value(i.State.Name) != string(state) {
					if s.Converged {
						return false, settledElsewhere(i)
					}
					return false, nil
				}
			}
		}
		return s.Converged, nil
	})
}

func settledElsewhere(i wire.Instance) error {
	id, is, why := wire.Value(i.InstanceId), "", ""
	if i.State != nil {
		is = wire.Value(i.State.Name)
	}
	if i.StateReason != nil {
		why = wire.Value(i.StateReason.Message)
	}
	return &sim.Failure{What: sim.T("%s is %s: %s", id, is, why), Next: []sim.Text{sim.Cmd("labsim logs %s", id)}}
}

func (a *app) logsCommand() *cobra.Command {
	var follow bool
	c := &cobra.Command{
		Use: "logs NAME", Short: a.say(sim.T("print an instance's console output")), Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			b, i, err := a.machine(c.Context(), args[0])
			if err != nil {
				return err
			}
			q := url.Values{"instance": {i.ID}}
			if follow {
				q.Set("follow", "1")
			}
			resp, err := b.request(c.Context(), "GET", "console?"+q.Encode(), nil)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			return sim.CopyPrintable(a.out, resp.Body)
		},
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, a.say(sim.T("go on with what follows")))
	return c
}

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Aliases: []string{"ps"}, Short: a.say(sim.T("show the instances and whether their packets get through")), Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, args []string) error { return a.status(c.Context()) },
	}
}

func (a *app) status(ctx context.Context) error {
	b, err := a.find(ctx)
	if err != nil {
		return err
	}
	about, err := b.version(ctx)
	if err != nil {
		return err
	}
	if about.Unclaimed != nil {
		a.sayUnclaimed(ctx, about.Unclaimed)
		return exitCode(1)
	}
	list, err := b.instances(ctx, nil)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(list)
	}
	rows := [][]string{{a.say(sim.T("LAB")), a.say(sim.T("NAME")), a.say(sim.T("ID")), a.say(sim.T("STATE")), a.say(sim.T("TYPE")), a.say(sim.T("PRIVATE")), a.say(sim.T("PUBLIC"))}}
	for _, i := range list {
		rows = append(rows, []string{dash(i.Lab), i.Name, i.ID, i.State + a.simulatedMark(b), i.Type, i.PrivateIP, dash(i.PublicIP)})
	}
	a.table(rows)
	failed := false
	err = b.watch(ctx, func(s boxStatus) (bool, error) {
		failed = a.sayWrong(s)
		return true, nil
	})
	if err != nil {
		return err
	}
	// Without an agent nothing can be compared, and that is a problem named above.
	if drift, err := b.drift(ctx); err == nil && len(drift) > 0 {
		failed = true
		a.printDrift(drift)
	}
	if failed {
		return exitCode(1)
	}
	return nil
}

// sayWrong prints what is wrong with the box, and reports whether anything is.
func (a *app) sayWrong(s boxStatus) bool {
	for _, p := range s.Problems {
		a.errorln(sim.Cmd("%s: %s", p.Resource, p.Message))
	}
	if s.OtherBuild {
		a.advise([]fault{{Cause: sim.T("control and the agent are of different builds of labsim; this gives them the same one:"), Fix: []sim.Text{sim.Cmd("labsim up")}}})
	}
	if s.Short != nil {
		a.sayShort(*s.Short)
	}
	return len(s.Problems) > 0 || s.OtherBuild || s.Short != nil
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// table prints rows in columns.
func (a *app) table(rows [][]string) {
	widths := map[int]int{}
	for _, r := range rows {
		for i, c := range r {
			r[i] = sim.Printable(c)
			c = r[i]
			widths[i] = max(widths[i], sim.Columns(c))
		}
	}
	for _, r := range rows {
		var s strings.Builder
		for i, c := range r {
			s.WriteString(pad(c, widths[i]+3))
		}
		fmt.Fprintln(a.out, strings.TrimRight(s.String(), " "))
	}
}

package cli

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	"labsim/sim"
	"labsim/sim/path"
)

func (a *app) traceCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "trace FROM TO TRAFFIC",
		Short: a.say(sim.T("say whether a packet gets through, and which rule decides: trace internet db tcp/5432")),
		Args:  cobra.ExactArgs(3),
		RunE:  func(c *cobra.Command, args []string) error { return a.trace(c.Context(), args) },
	}
}

// trace prints a verdict; exit code 0 is yes, 1 is no.
func (a *app) trace(ctx context.Context, args []string) error {
	proto, port, err := path.ParseTraffic(args[2])
	if err != nil {
		return usageError{err}
	}
	b, err := a.find(ctx)
	if err != nil {
		return err
	}
	q := path.Query{Protocol: proto, Port: port}
	if q.From, err = a.end(ctx, b, args[0]); err != nil {
		return err
	}
	if q.To, err = a.end(ctx, b, args[1]); err != nil {
		return err
	}
	v, err := b.trace(ctx, q)
	if err != nil {
		return err
	}
	if a.json {
		err = a.printJSON(v)
	} else {
		a.printVerdict(args, v, a.simulatedMark(b))
	}
	if err == nil && !v.Allowed {
		return exitCode(1)
	}
	return err
}

// end reads one end of a trace: internet, an instance by any of its names, or an address.
func (a *app) end(ctx context.Context, b *box, word string) (path.Endpoint, error) {
	if word == "internet" {
		return path.Endpoint{Internet: true}, nil
	}
	i, err := a.named(ctx, b, word)
	if err == nil {
		if i.PublicIP == word { // the public address is another way than the private one
			return path.Endpoint{Address: netip.MustParseAddr(word)}, nil
		}
		return path.Endpoint{Instance: sim.InstanceID(i.ID)}, nil
	}
	if ip, perr := netip.ParseAddr(word); perr == nil {
		return path.Endpoint{Address: ip}, nil
	}
	return path.Endpoint{}, err
}

func (a *app) printVerdict(args []string, v path.Verdict, mark string) {
	answer := sim.T("yes: %s reaches %s on %s", args[0], args[1], args[2])
	if !v.Allowed {
		answer = sim.T("no: %s does not reach %s on %s", args[0], args[1], args[2])
	}
	fmt.Fprintln(a.out, a.say(answer)+mark)
	a.printHops(sim.T("the way there"), v.Hops)
	a.printHops(sim.T("the way back"), v.Back)
	if v.Allowed {
		return
	}
	fmt.Fprintln(a.out, a.say(sim.T("because")))
	for _, h := range v.Decisive {
		fmt.Fprintln(a.out, "  ✗ "+a.say(h.Text))
	}
	for _, f := range v.Fix {
		fmt.Fprintln(a.out, a.say(sim.T("to let it through: %s", f.Text)))
		for _, c := range f.Commands {
			fmt.Fprintln(a.out, "    "+a.respell(a.say(command(c))))
		}
	}
}

func (a *app) printHops(title sim.Text, hops []path.Hop) {
	if len(hops) == 0 {
		return
	}
	fmt.Fprintln(a.out, a.say(title))
	for _, h := range hops {
		mark := "✓"
		if h.Stops {
			mark = "✗"
		}
		fmt.Fprintln(a.out, "  "+mark+" "+a.say(h.Text))
	}
}

package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"labsim/sim"
	"labsim/sim/graph"
	"labsim/sim/region"
)

func (a *app) graphCommand() *cobra.Command {
	var svg bool
	c := &cobra.Command{
		Use: "graph", Short: a.say(sim.T("draw what stands, and what can reach what")), Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, args []string) error {
			b, err := a.find(c.Context())
			if err != nil {
				return err
			}
			m, err := b.model(c.Context())
			if err != nil {
				return err
			}
			switch {
			case a.json:
				return a.printJSON(m)
			case svg:
				_, err = fmt.Fprint(a.out, graph.SVG(m, a.say))
			default:
				_, err = fmt.Fprint(a.out, graph.Text(m, a.say))
			}
			return err
		},
	}
	c.Flags().BoolVar(&svg, "svg", false, a.say(sim.T("as a picture: labsim graph --svg >lab.svg")))
	return c
}

// model is the picture of the region.
func (b *box) model(ctx context.Context) (graph.Model, error) {
	about, err := b.version(ctx)
	if err != nil {
		return graph.Model{}, err
	}
	r, err := region.Observe(ctx, b.ec2)
	if err != nil {
		return graph.Model{}, err
	}
	m, err := r.Picture(ctx, b.trace)
	m.Internet, m.Simulated = about.PublicCIDR, b.simulated
	return m, err
}

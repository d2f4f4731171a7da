package cli

import (
	"context"
	"slices"

	"labsim/sim"
	"labsim/sim/ec2/wire"
)

// checkDisks looks whether the instances have their volumes, and in each guest
// whether they are mounted and can be written.
func (ac *access) checkDisks(ctx context.Context) ([]fault, error) {
	ids, err := ac.volumeIDs(ctx)
	if err != nil {
		return nil, err
	}
	var out []fault
	for _, x := range ac.lab.Instances {
		i, ok := ac.running(x.Name)
		if !ok {
			continue
		}
		for _, m := range x.Mounts {
			f := fault{Expectation: x.Name + ":" + m.Path}
			if id := ids[m.Volume]; !slices.Contains(i.Volumes, id) {
				f.Cause, f.Fix = sim.T("the volume %s (%s) is not attached to %s", m.Volume, id, x.Name), []sim.Text{ac.again}
			} else if ok, err := ac.writable(ctx, i, m.Path); err != nil {
				return nil, err
			} else if !ok {
				f.Cause, f.Fix = sim.T("the volume %s (%s) can't be written at %s in %s", m.Volume, id, m.Path, x.Name), []sim.Text{sim.Cmd("labsim reboot %s", x.Name)}
			} else {
				continue
			}
			out = append(out, f)
		}
	}
	return out, nil
}

// volumeIDs are those of the lab's volumes, by name.
func (ac *access) volumeIDs(ctx context.Context) (map[string]string, error) {
	var out wire.DescribeVolumesResult
	if err := ac.box.ec2.Do(ctx, "DescribeVolumes", &wire.DescribeVolumesRequest{Filters: ofLab(ac.lab.Name)}, &out); err != nil {
		return nil, err
	}
	ids := map[string]string{}
	for _, v := range out.Volumes {
		ids[wire.TagValue(v.Tags, sim.TagName)] = wire.Value(v.VolumeId)
	}
	return ids, nil
}

// writable writes to a mounted volume, as far as there is a guest that can.
func (ac *access) writable(ctx context.Context, i instance, path string) (bool, error) {
	if ac.simulated {
		return true, nil
	}
	code, err := ac.box.run(ctx, i.ID, "sh", "-c", `grep -q " $0 " /proc/mounts && touch "$0/.labsim-check" && rm "$0/.labsim-check"`, path)
	return code == 0, err
}

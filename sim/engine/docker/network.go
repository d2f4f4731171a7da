package docker

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"

	"labsim/sim"
	"labsim/sim/engine"
)

// labelCIDR says the CIDR a network was made for: what inspect shows of it
// depends on the driver.
const labelCIDR = "labsim.cidr"

// EnsureNetwork makes the network of a subnet, or the internet. One with
// another CIDR or of another subnet is replaced, unless something is on it.
func (e *Engine) EnsureNetwork(ctx context.Context, n engine.Network) error {
	return e.ensureNetwork(ctx, n.Name, e.networkOptions(n))
}

// ensureNetwork makes the network, or replaces one whose labels of identity differ.
func (e *Engine) ensureNetwork(ctx context.Context, name string, want network.CreateOptions) error {
	for range 3 {
		found, err := e.networksNamed(ctx, name)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			err := e.onceEnabled(ctx, func() error { _, err := e.c.NetworkCreate(ctx, name, want); return err })
			if err != nil && !conflict(err) {
				return fmt.Errorf("network %s: %w", name, err)
			}
			// Look again: Docker lets two networks have one name, so that two at
			// once may both have succeeded.
			continue
		}
		keep := found[0]
		if err := e.foreignNetwork(keep); err != nil {
			return err
		}
		for _, twin := range found[1:] {
			if err := gone(e.c.NetworkRemove(ctx, twin.ID)); err != nil {
				return fmt.Errorf("network %s stands twice: %w", name, err)
			}
		}
		if sameNetwork(keep, want) {
			return nil
		}
		if err := gone(e.c.NetworkRemove(ctx, keep.ID)); err != nil {
			return fmt.Errorf("network %s stands with another range and is in use: %w", name, err)
		}
	}
	return fmt.Errorf("network %s: made and removed by somebody else at the same time", name)
}

// sameNetwork compares what can't be changed in place.
func sameNetwork(n network.Summary, want network.CreateOptions) bool {
	for _, l := range []string{sim.LabelKind, sim.LabelID, labelCIDR} {
		if n.Labels[l] != want.Labels[l] {
			return false
		}
	}
	return n.Driver == want.Driver
}

// networksNamed returns the networks of exactly that name, the oldest first:
// the same one for everybody who asks.
func (e *Engine) networksNamed(ctx context.Context, name string) ([]network.Summary, error) {
	list, err := e.c.NetworkList(ctx, network.ListOptions{Filters: filters.NewArgs(filters.Arg("name", name))})
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(n network.Summary) bool { return n.Name != name })
	slices.SortFunc(list, func(a, b network.Summary) int {
		if c := a.Created.Compare(b.Created); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return list, nil
}

func (e *Engine) foreignNetwork(n network.Summary) error {
	if n.Labels[sim.LabelSite] == string(e.site) {
		return nil
	}
	return &sim.Failure{
		What: sim.T("the Docker network %s exists and was not made by labsim", n.Name),
		Next: []sim.Text{sim.Cmd("docker network rm %s", n.Name), sim.T("or give the lab or the subnet another name")},
	}
}

// networkOptions compiles a Network for Docker.
func (e *Engine) networkOptions(n engine.Network) network.CreateOptions {
	labels := map[string]string{}
	maps.Copy(labels, n.Labels)
	labels[sim.LabelSite] = string(e.site)
	labels[sim.LabelKind] = string(n.Kind)
	labels[labelCIDR] = n.CIDR.String()
	if n.ID != "" {
		labels[sim.LabelID] = n.ID
	}
	if n.VPC != "" {
		labels[sim.LabelVPC] = string(n.VPC)
	}
	o := network.CreateOptions{Labels: labels}
	pool := network.IPAMConfig{Subnet: n.CIDR.String(), Gateway: n.CIDR.Masked().Addr().Next().String()}
	if n.Kind == engine.KindInternet {
		o.Driver = "bridge"
		o.Options = map[string]string{"com.docker.network.bridge.name": e.site.Bridge()}
		pool.IPRange = edgeRange(n.CIDR).String()
		o.IPAM = &network.IPAM{Driver: "default", Config: []network.IPAMConfig{pool}}
		return o
	}
	o.Driver = e.site.Plugin()
	o.Options = map[string]string{sim.OptSubnet: n.ID}
	o.IPAM = &network.IPAM{
		Driver:  e.site.Plugin(),
		Options: map[string]string{sim.OptSubnet: n.ID},
		Config:  []network.IPAMConfig{pool},
	}
	return o
}

// edgeRange is the part of the public /24 that Docker hands out itself: .192/26.
func edgeRange(public netip.Prefix) netip.Prefix {
	a := public.Masked().Addr().As4()
	a[3] = 192
	return netip.PrefixFrom(netip.AddrFrom4(a), 26)
}

// RemoveNetwork removes every network of that name that is the site's.
func (e *Engine) RemoveNetwork(ctx context.Context, name string) error {
	found, err := e.networksNamed(ctx, name)
	if err != nil {
		return err
	}
	for _, n := range found {
		if n.Labels[sim.LabelSite] != string(e.site) {
			continue
		}
		if err := gone(e.c.NetworkRemove(ctx, n.ID)); err != nil {
			return fmt.Errorf("network %s: %w", name, err)
		}
	}
	return nil
}

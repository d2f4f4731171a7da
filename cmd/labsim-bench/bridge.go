package main

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
)

// bridge is the other side's network: a user-defined bridge.
type bridge struct {
	name string
	cidr netip.Prefix
}

// firstTwin leaves the bridge's own address and what else stands at its start alone.
const firstTwin = 10

// addr is the address of the n-th container, from 0.
func (n bridge) addr(twin int) string {
	b := n.cidr.Masked().Addr().As4()
	b[3] += byte(firstTwin + twin) // the engine's pools have no network smaller than /24
	return netip.AddrFrom4(b).String()
}

// bridge makes the bridge network. Which range is free on this machine the engine
// knows: it looks at the routes when it chooses one, and at nothing when it is told
// one. But a container has an address of its own only in a range that was told; so
// the engine chooses, and is told what it chose.
func (b *bench) bridge(ctx context.Context) (n bridge, err error) {
	n.name = b.site + "-bridge"
	if err := b.createBridge(ctx, n.name, nil); err != nil {
		return n, err
	}
	var made struct {
		IPAM struct {
			Config []struct{ Subnet netip.Prefix }
		}
	}
	if err := b.engine.call(ctx, http.MethodGet, "/networks/"+n.name, nil, &made); err != nil {
		return n, err
	}
	if c := made.IPAM.Config; len(c) != 1 || !c[0].Subnet.Addr().Is4() || c[0].Subnet.Bits() > 24 {
		return n, fmt.Errorf("the engine gave the network %s the ranges %v, want one of IPv4, /24 or larger (default-address-pools of its daemon.json)", n.name, c)
	}
	n.cidr = made.IPAM.Config[0].Subnet
	if err := b.engine.call(ctx, http.MethodDelete, "/networks/"+n.name, nil, nil); err != nil {
		return n, err
	}
	return n, b.createBridge(ctx, n.name, []map[string]string{{"Subnet": n.cidr.String()}})
}

// createBridge makes it in that range; nil: where the engine likes.
func (b *bench) createBridge(ctx context.Context, name string, ranges []map[string]string) error {
	return b.engine.call(ctx, http.MethodPost, "/networks/create", map[string]any{
		"Name": name, "Driver": "bridge", "CheckDuplicate": true, "Labels": b.labels(),
		"IPAM": map[string]any{"Config": ranges},
	}, nil)
}

package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"labsim/sim"
)

// gatewayRequest is Docker's word for the address of a network's router.
const gatewayRequest = "com.docker.network.gateway"

// ipamHooks confirm what control has given; they allocate nothing.
func (a *Agent) ipamHooks() map[string]hook {
	return map[string]hook{
		"IpamDriver.RequestPool":    on(a.requestPool),
		"IpamDriver.ReleasePool":    on(forget),
		"IpamDriver.RequestAddress": on(a.requestAddress),
		"IpamDriver.ReleaseAddress": on(forget),
	}
}

func forget(context.Context, struct{}) (any, error) { return nil, nil }

type requestPool struct {
	Pool, SubPool string
	Options       map[string]string
	V6            bool
}

func (a *Agent) requestPool(_ context.Context, in requestPool) (any, error) {
	id := sim.SubnetID(in.Options[sim.OptSubnet])
	sub, ok := a.held().subnet(id)
	if !ok {
		return nil, unknownSubnet(id)
	}
	if in.V6 {
		return nil, errors.New("labsim has no IPv6 subnets")
	}
	if in.Pool != sub.CIDR.String() || in.SubPool != "" && in.SubPool != in.Pool {
		return nil, fmt.Errorf("%s has the CIDR %s, not %q", id, sub.CIDR, in.Pool+in.SubPool)
	}
	return object{"PoolID": poolID(id, sub.CIDR), "Pool": sub.CIDR.String(), "Data": object{}}, nil
}

// poolID says all there is to know: Docker keeps it over restarts, so we need not.
func poolID(id sim.SubnetID, cidr netip.Prefix) string { return string(id) + "|" + cidr.String() }

func parsePool(s string) (id sim.SubnetID, cidr netip.Prefix, err error) {
	name, text, ok := strings.Cut(s, "|")
	if ok {
		cidr, err = netip.ParsePrefix(text)
	}
	if !ok || err != nil {
		return "", cidr, fmt.Errorf("%q is not an address pool of labsim", s)
	}
	return sim.SubnetID(name), cidr, nil
}

type requestAddress struct {
	PoolID, Address string
	Options         map[string]string
}

func (a *Agent) requestAddress(_ context.Context, in requestAddress) (any, error) {
	id, cidr, err := parsePool(in.PoolID)
	if err != nil {
		return nil, err
	}
	router := gateway(cidr)
	if in.Options["RequestAddressType"] == gatewayRequest {
		if in.Address != "" && in.Address != router.Addr().String() {
			return nil, fmt.Errorf("the router of %s is %s, not %s", id, router.Addr(), in.Address)
		}
		return object{"Address": router.String(), "Data": object{}}, nil
	}
	if _, ok := a.held().subnet(id); !ok {
		return nil, unknownSubnet(id)
	}
	addr, err := netip.ParseAddr(in.Address)
	if err != nil {
		return nil, fmt.Errorf("a container can't take just any address of %s: %s", id, madeBy)
	}
	if !a.held().hasAddress(id, addr) {
		return nil, fmt.Errorf("no network interface that labsim made has the address %s in %s: %s", addr, id, madeBy)
	}
	return object{"Address": netip.PrefixFrom(addr, cidr.Bits()).String(), "Data": object{}}, nil
}

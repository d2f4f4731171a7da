package agent

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/netip"
	"strings"

	"labsim/sim"
)

// generic is the key below which Docker puts the options of a driver.
const generic = "com.docker.network.generic"

func (a *Agent) networkHooks() map[string]hook {
	return map[string]hook{
		"NetworkDriver.CreateNetwork":    on(a.createNetwork),
		"NetworkDriver.DeleteNetwork":    on(a.deleteNetwork),
		"NetworkDriver.CreateEndpoint":   on(a.createEndpoint),
		"NetworkDriver.DeleteEndpoint":   on(a.deleteEndpoint),
		"NetworkDriver.EndpointOperInfo": on(a.endpointInfo),
		"NetworkDriver.Join":             on(a.join),
		// Publishing ports, which this is for, means nothing to an instance: a security
		// group opens them.
		"NetworkDriver.ProgramExternalConnectivity": on(a.programmed),
		"NetworkDriver.Leave":                       on(a.leaveEndpoint),
	}
}

type createNetwork struct {
	NetworkID          string
	Options            object
	IPv4Data, IPv6Data []struct{ Pool, Gateway string }
}

func (a *Agent) createNetwork(_ context.Context, in createNetwork) (any, error) {
	id := sim.SubnetID(option(in.Options, sim.OptSubnet))
	sub, ok := a.held().subnet(id)
	if !ok {
		return nil, unknownSubnet(id)
	}
	if len(in.IPv4Data) != 1 || len(in.IPv6Data) != 0 {
		return nil, fmt.Errorf("a network of labsim has one IPv4 range, that of %s", id)
	}
	if pool := in.IPv4Data[0].Pool; pool != sub.CIDR.String() {
		return nil, fmt.Errorf("%s has the CIDR %s, not %s", id, sub.CIDR, pool)
	}
	if gw := in.IPv4Data[0].Gateway; gw != "" && gw != gateway(sub.CIDR).String() {
		return nil, fmt.Errorf("the router of %s is %s, not %s", id, gateway(sub.CIDR).Addr(), gw)
	}
	return nil, a.records.update(func(r *record) { r.Networks[in.NetworkID] = id })
}

type network struct{ NetworkID string }

func (a *Agent) deleteNetwork(_ context.Context, in network) (any, error) {
	return nil, a.records.update(func(r *record) { delete(r.Networks, in.NetworkID) })
}

type createEndpoint struct {
	NetworkID, EndpointID string
	Options               object
	Interface             struct{ Address, MacAddress string }
}

func (a *Agent) createEndpoint(_ context.Context, in createEndpoint) (any, error) {
	id := sim.ENIID(option(in.Options, sim.OptENI))
	eni, ok := a.held().eni(id)
	if !ok {
		return nil, unknownENI(id)
	}
	// The record of a network may be lost; the interface's own subnet then decides.
	if sub, ok := a.records.network(in.NetworkID); ok && sub != eni.Subnet {
		return nil, fmt.Errorf("%s is in %s, not in %s", id, eni.Subnet, sub)
	}
	addr, err := netip.ParsePrefix(in.Interface.Address)
	if err != nil || addr.Addr() != eni.Addr {
		return nil, fmt.Errorf("%s has the address %s, not %q", id, eni.Addr, in.Interface.Address)
	}
	mac := in.Interface.MacAddress
	if mac != "" && !strings.EqualFold(mac, eni.MAC) {
		return nil, fmt.Errorf("%s has the MAC address %s, not %s", id, eni.MAC, mac)
	}
	err = a.records.update(func(r *record) {
		r.Networks[in.NetworkID] = eni.Subnet
		r.Endpoints[in.EndpointID] = endpoint{ENI: id}
	})
	answer := object{}
	if mac == "" { // Docker refuses to be told what it said
		answer["MacAddress"] = eni.MAC
	}
	return object{"Interface": answer}, err
}

type endpointRef struct{ NetworkID, EndpointID string }

func (a *Agent) endpointInfo(_ context.Context, in endpointRef) (any, error) {
	value := object{}
	if e, ok := a.records.endpoint(in.EndpointID); ok {
		value[sim.OptENI] = e.ENI
	}
	return object{"Value": value}, nil
}

func (a *Agent) deleteEndpoint(ctx context.Context, in endpointRef) (any, error) {
	a.unjoin(ctx, in.EndpointID) // a killed engine forgets to call Leave
	return nil, a.records.update(func(r *record) { delete(r.Endpoints, in.EndpointID) })
}

type join struct{ NetworkID, EndpointID, SandboxKey string }

func (a *Agent) join(ctx context.Context, in join) (any, error) {
	e, ok := a.records.endpoint(in.EndpointID)
	if !ok {
		return nil, fmt.Errorf("labsim doesn't know the endpoint %.12s: remove and create the container again", in.EndpointID)
	}
	eni, ok := a.held().eni(e.ENI)
	if !ok {
		return nil, unknownENI(e.ENI)
	}
	sub, ok := a.held().subnet(eni.Subnet)
	if !ok {
		return nil, unknownSubnet(eni.Subnet)
	}
	// After a start of the agent the routers are not there until the held config
	// has been applied.
	select {
	case <-a.applied:
	case <-ctx.Done():
		return nil, errors.New("labsim's agent has not yet brought its routers up: try again")
	}
	link, err := a.driver.Join(ctx, e.ENI)
	if err != nil {
		return nil, err
	}
	err = a.records.update(func(r *record) { r.join(in.EndpointID, in.SandboxKey) })
	a.changed()
	return object{
		"InterfaceName":         object{"SrcName": link, "DstPrefix": "eth"},
		"Gateway":               gateway(sub.CIDR).Addr().String(),
		"DisableGatewayService": true, // or Docker adds a bridge past the router
	}, err
}

func (a *Agent) leaveEndpoint(ctx context.Context, in endpointRef) (any, error) {
	a.unjoin(ctx, in.EndpointID)
	return nil, nil
}

// unjoin takes the interface down, if this endpoint is the one that holds it: an
// engine may tell late that an old one is gone.
func (a *Agent) unjoin(ctx context.Context, id string) {
	e, ok := a.records.endpoint(id)
	if !ok || e.Sandbox == "" {
		return
	}
	if err := a.driver.Leave(ctx, e.ENI); err != nil {
		log.Printf("leave %s: %v", e.ENI, err) // the next config takes it down
	}
	if err := a.records.update(func(r *record) { r.leave(id) }); err != nil {
		log.Printf("leave %s: %v", e.ENI, err)
	}
	a.changed()
}

// option returns a driver's option, which Docker puts beside or below "generic".
func option(options object, key string) string {
	if g, ok := options[generic].(map[string]any); ok {
		if s, ok := g[key].(string); ok {
			return s
		}
	}
	s, _ := options[key].(string)
	return s
}

// gateway is the router's address in a subnet, the first one, with the subnet's length.
func gateway(cidr netip.Prefix) netip.Prefix {
	return netip.PrefixFrom(cidr.Masked().Addr().Next(), cidr.Bits())
}

const madeBy = "networks of labsim are made by `labsim up` and the EC2 API"

func unknownSubnet(id sim.SubnetID) error {
	return fmt.Errorf("%q is not a subnet that labsim made: %s", id, madeBy)
}

func unknownENI(id sim.ENIID) error {
	return fmt.Errorf("%q is not a network interface that labsim made: %s", id, madeBy)
}

package world

import (
	"cmp"
	"net/netip"
	"slices"

	"labsim/sim"
)

var (
	localTarget = sim.RouteTarget{Kind: sim.TargetLocal, ID: "local"}
	// reservedRoutes are what the VPC's services use (VPC User Guide, "Route table quotas").
	reservedRoutes = netip.MustParsePrefix("169.254.168.0/22")
)

// RouteTo names a route's target; exactly one field is set.
type RouteTo struct {
	Gateway  string // igw-..., or "local" (ReplaceRoute)
	ENI      sim.ENIID
	Instance sim.InstanceID // its one interface is meant
}

// CreateRoute asks for a route (EC2 API, CreateRoute).
type CreateRoute struct {
	RouteTable  sim.RouteTableID
	Destination netip.Prefix
	To          RouteTo
}

// CreateRoute adds a route to a table.
func (tx *Tx) CreateRoute(in CreateRoute) error {
	t, dst, target, err := tx.routeIn(in.RouteTable, in.Destination, in.To)
	if err != nil {
		return err
	}
	if routeAt(t, dst) >= 0 {
		return sim.Errorf("RouteAlreadyExists", "The route identified by %s already exists.", dst)
	}
	if err := tx.checkDestination(t, dst, target); err != nil {
		return err
	}
	if len(t.Routes) >= maxRoutesPerTable {
		return sim.Errorf("RouteLimitExceeded", "The maximum number of routes per route table has been reached.")
	}
	r := sim.Route{Destination: dst, Target: target, Origin: sim.OriginCreateRoute}
	t.Routes = append(slices.Clone(t.Routes), r)
	slices.SortFunc(t.Routes, func(a, b sim.Route) int {
		return cmp.Or(a.Destination.Addr().Compare(b.Destination.Addr()), cmp.Compare(a.Destination.Bits(), b.Destination.Bits()))
	})
	put(tx, tx.RouteTables, t.ID, t)
	return nil
}

// routeIn resolves what a route is to be: its table, its destination and its target.
func (tx *Tx) routeIn(table sim.RouteTableID, dst netip.Prefix, to RouteTo) (sim.RouteTable, netip.Prefix, sim.RouteTarget, error) {
	t, err := get(tx, tx.RouteTables, table)
	if err != nil {
		return t, dst, sim.RouteTarget{}, err
	}
	target, err := tx.routeTarget(t, to)
	return t, dst.Masked(), target, err
}

// checkDestination: inside the VPC only an interface may be the target, and
// only for a whole subnet (VPC User Guide, "Route priority").
func (tx *Tx) checkDestination(t sim.RouteTable, dst netip.Prefix, target sim.RouteTarget) error {
	if !dst.IsValid() || !dst.Addr().Is4() {
		return sim.Errorf(sim.CodeInvalidParameterValue, "Value (%s) for parameter destinationCidrBlock is invalid. This is not a valid CIDR block.", dst)
	}
	if reservedRoutes.Bits() <= dst.Bits() && reservedRoutes.Contains(dst.Addr()) {
		return sim.Errorf(sim.CodeInvalidParameterValue, "The destination CIDR block %s is reserved for the services of the VPC.", dst)
	}
	for _, c := range tx.VPCs.Row(t.VPC).CIDRs {
		if c.Bits() > dst.Bits() || !c.Contains(dst.Addr()) {
			continue
		}
		if target.Kind != sim.TargetENI {
			return sim.Errorf(sim.CodeInvalidParameterValue,
				"The destination CIDR block %s is equal to or more specific than one of this VPC's CIDR blocks. This route can target only an interface or an instance.", dst)
		}
		if !tx.hasSubnetOf(t.VPC, dst) {
			return sim.Errorf(sim.CodeInvalidParameterValue, "The destination CIDR block %s does not match a subnet CIDR in VPC %s.", dst, t.VPC)
		}
	}
	return nil
}

func (tx *Tx) hasSubnetOf(v sim.VPCID, cidr netip.Prefix) bool {
	for _, n := range tx.SubnetsOf(v) {
		if n.CIDR == cidr {
			return true
		}
	}
	return false
}

// routeTarget resolves what a route shall lead to, which must be in the table's VPC.
func (tx *Tx) routeTarget(t sim.RouteTable, to RouteTo) (sim.RouteTarget, error) {
	named := 0
	for _, s := range []string{to.Gateway, string(to.ENI), string(to.Instance)} {
		if s != "" {
			named++
		}
	}
	switch {
	case named == 0:
		return sim.RouteTarget{}, sim.Errorf(sim.CodeMissingParameter, "The request must contain exactly one of gatewayId, networkInterfaceId, instanceId")
	case named > 1:
		return sim.RouteTarget{}, sim.Errorf(sim.CodeInvalidParameterCombination, "The request must contain exactly one of gatewayId, networkInterfaceId, instanceId")
	case to.Gateway == "local":
		return localTarget, nil
	case to.Gateway != "":
		return tx.gatewayTarget(t, sim.InternetGatewayID(to.Gateway))
	case to.Instance != "":
		e, err := tx.soleENI(to.Instance)
		if err != nil {
			return sim.RouteTarget{}, err
		}
		to.ENI = e.ID
	}
	e, err := get(tx, tx.ENIs, to.ENI)
	if err == nil && e.VPC != t.VPC {
		err = sim.Errorf(sim.CodeInvalidParameterValue, "route table %s and interface %s belong to different networks", t.ID, e.ID)
	}
	return sim.RouteTarget{Kind: sim.TargetENI, ID: string(e.ID)}, err
}

func (tx *Tx) gatewayTarget(t sim.RouteTable, id sim.InternetGatewayID) (sim.RouteTarget, error) {
	g, ok := tx.InternetGateways.Get(id)
	if err := targetGatewayNoun.found(ok && tx.owns(g.Owner), string(id)); err != nil {
		return sim.RouteTarget{}, err
	}
	if g.VPC != t.VPC {
		return sim.RouteTarget{}, sim.Errorf(sim.CodeInvalidParameterValue, "route table %s and network gateway %s belong to different networks", t.ID, id)
	}
	return sim.RouteTarget{Kind: sim.TargetInternetGateway, ID: string(id)}, nil
}

// ReplaceRoute gives a route another target (EC2 API, ReplaceRoute).
type ReplaceRoute struct {
	RouteTable  sim.RouteTableID
	Destination netip.Prefix
	To          RouteTo
}

// ReplaceRoute changes the target of a route that is there.
func (tx *Tx) ReplaceRoute(in ReplaceRoute) error {
	t, dst, target, err := tx.routeIn(in.RouteTable, in.Destination, in.To)
	if err != nil {
		return err
	}
	at := routeAt(t, dst)
	if at < 0 {
		return sim.Errorf(sim.CodeInvalidParameterValue, "There is no route defined for '%s' in the route table. Use CreateRoute instead.", dst)
	}
	isLocal, toLocal := t.Routes[at].Target == localTarget, target == localTarget
	switch {
	case isLocal && toLocal:
		return nil
	case isLocal:
		return sim.Errorf(sim.CodeUnsupportedOperation, "Replacing the target of a local route is not simulated.")
	case toLocal:
		return sim.Errorf(sim.CodeInvalidParameterValue, "The target local is for the routes to the VPC's own CIDR blocks only.")
	}
	if err := tx.checkDestination(t, dst, target); err != nil {
		return err
	}
	t.Routes = slices.Clone(t.Routes)
	t.Routes[at].Target = target
	put(tx, tx.RouteTables, t.ID, t)
	return nil
}

// DeleteRoute removes a route (EC2 API, DeleteRoute).
type DeleteRoute struct {
	RouteTable  sim.RouteTableID
	Destination netip.Prefix
}

// DeleteRoute removes a route other than a local one.
func (tx *Tx) DeleteRoute(in DeleteRoute) error {
	t, err := get(tx, tx.RouteTables, in.RouteTable)
	if err != nil {
		return err
	}
	dst := in.Destination.Masked()
	at := routeAt(t, dst)
	if at < 0 {
		return sim.Errorf("InvalidRoute.NotFound", "no route with destination-cidr-block %s in route table %s", dst, t.ID)
	}
	if t.Routes[at].Target == localTarget {
		return sim.Errorf(sim.CodeInvalidParameterValue, "cannot remove local route %s in route table %s", dst, t.ID)
	}
	t.Routes = slices.Delete(slices.Clone(t.Routes), at, at+1)
	put(tx, tx.RouteTables, t.ID, t)
	return nil
}

func routeAt(t sim.RouteTable, dst netip.Prefix) int {
	return slices.IndexFunc(t.Routes, func(r sim.Route) bool { return r.Destination == dst })
}

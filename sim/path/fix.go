package path

import (
	"fmt"
	"net/netip"
	"slices"

	"labsim/sim"
	"labsim/sim/world"
)

func startInstance(i sim.Instance) Fix {
	return Fix{sim.T("Start %s", name(i.Tags, i.ID)), []string{"aws ec2 start-instances --instance-ids " + string(i.ID)}}
}

// giveAddress proposes an Elastic IP: a free one of the owner's, or a new one.
func (t *tracer) giveAddress(e sim.ENI) Fix {
	allocation := "$(aws ec2 allocate-address --domain vpc --query AllocationId --output text)"
	for id, a := range t.s.Addresses.All() {
		if a.Association == "" && a.Owner == e.Owner && !slices.Contains(t.given, id) {
			allocation = string(id)
			t.given = append(t.given, id)
			break
		}
	}
	return Fix{sim.T("Give %s an Elastic IP address", t.label(t.of(e))),
		[]string{fmt.Sprintf("aws ec2 associate-address --network-interface-id %s --allocation-id %s", e.ID, allocation)}}
}

// attachGateway proposes a gateway: a detached one of the owner's, or a new one.
func (t *tracer) attachGateway(e sim.ENI) Fix {
	gateway := "$(aws ec2 create-internet-gateway --query InternetGateway.InternetGatewayId --output text)"
	for id, g := range t.s.InternetGateways.All() {
		if g.VPC == "" && g.Owner == e.Owner {
			gateway = string(id)
			break
		}
	}
	return Fix{sim.T("Attach an internet gateway to the VPC"),
		[]string{fmt.Sprintf("aws ec2 attach-internet-gateway --vpc-id %s --internet-gateway-id %s", e.VPC, gateway)}}
}

// addRoute proposes a way to the internet gateway for an interface's subnet, in
// place of r, which leads nowhere or elsewhere.
func (t *tracer) addRoute(e sim.ENI, r route) Fix {
	if f, ok := t.otherTable(e, r); ok && r.kind == "" {
		return f
	}
	gateway := "$(aws ec2 describe-internet-gateways --filters Name=attachment.vpc-id,Values=" + string(e.VPC) +
		" --query 'InternetGateways[0].InternetGatewayId' --output text)"
	if g, ok := t.s.GatewayOf(e.VPC); ok {
		gateway = string(g.ID)
	}
	verb, dst := "create-route", sim.Everywhere
	if r.kind != "" && r.kind != world.LeadLocal {
		verb, dst = "replace-route", r.dst
	}
	return Fix{sim.T("Add a route for %s to the internet gateway; all subnets of route table %s become public", dst.String(), r.name()),
		[]string{fmt.Sprintf("aws ec2 %s --route-table-id %s --destination-cidr-block %s --gateway-id %s", verb, r.table.ID, dst, gateway)}}
}

// otherTable proposes a route table of the VPC that has the way already: a route
// in this one would change the way of all its subnets.
func (t *tracer) otherTable(e sim.ENI, r route) (Fix, bool) {
	for id, x := range t.s.RouteTables.All() {
		if x.VPC != e.VPC || id == r.table.ID || !slices.ContainsFunc(x.Routes, func(o sim.Route) bool {
			return t.s.Leads(x, o).Kind == world.LeadExit && o.Destination == sim.Everywhere
		}) {
			continue
		}
		f := Fix{Text: sim.T("Let subnet %s use route table %s, which has a route to the internet gateway", string(e.Subnet), name(x.Tags, x.ID)),
			Commands: []string{fmt.Sprintf("aws ec2 associate-route-table --subnet-id %s --route-table-id %s", e.Subnet, id)}}
		for _, a := range r.table.Associations {
			if a.Subnet == e.Subnet {
				f.Commands[0] = fmt.Sprintf("aws ec2 replace-route-table-association --association-id %s --route-table-id %s", a.ID, id)
			}
		}
		return f, true
	}
	return Fix{}, false
}

func openInternet(g sim.InternetGatewayID) Fix {
	return Fix{sim.T("Let instances out to the real internet"),
		[]string{fmt.Sprintf("aws ec2 create-tags --resources %s --tags Key=%s,Value=%s", g, sim.TagInternet, sim.InternetReal)}}
}

func deleteRoute(r route) Fix {
	return Fix{sim.T("Delete the route for %s", r.dst.String()),
		[]string{fmt.Sprintf("aws ec2 delete-route --route-table-id %s --destination-cidr-block %s", r.table.ID, r.dst)}}
}

func noCheck(e sim.ENI) Fix {
	return Fix{sim.T("Switch its source/destination check off"),
		[]string{"aws ec2 modify-network-interface-attribute --no-source-dest-check --network-interface-id " + string(e.ID)}}
}

func dnsSupport(v sim.VPC) Fix {
	return Fix{sim.T("Switch DNS support on"),
		[]string{"aws ec2 modify-vpc-attribute --enable-dns-support --vpc-id " + string(v.ID)}}
}

// authorize proposes a rule in the first group of an interface: about the
// peer's first group where the peer is in the VPC, which stays right when the
// peer's address changes, else about its address.
func (t *tracer) authorize(e sim.ENI, egress bool, peer netip.Addr) []Fix {
	if len(e.SecurityGroups) == 0 {
		return nil
	}
	g := t.s.SecurityGroups.Row(e.SecurityGroups[0])
	who := "--cidr " + peer.String() + "/32"
	if peer == t.host() || peer == aStranger {
		who = "--cidr " + sim.Everywhere.String()
	}
	if p, ok := t.byPrivate(e.VPC, peer); ok && len(p.SecurityGroups) > 0 {
		who = "--source-group " + string(p.SecurityGroups[0])
	}
	verb, text := "ingress", sim.T("Add an inbound rule for %s to security group %s", t.traffic(), name(g.Tags, g.Name))
	if egress {
		verb, text = "egress", sim.T("Add an outbound rule for %s to security group %s", t.traffic(), name(g.Tags, g.Name))
	}
	return []Fix{{text, []string{fmt.Sprintf("aws ec2 authorize-security-group-%s --group-id %s %s %s", verb, g.ID, t.flags(), who)}}}
}

// flags are the AWS CLI's for the query's traffic.
func (t *tracer) flags() string {
	switch t.q.Protocol {
	case sim.ProtocolTCP:
		return fmt.Sprintf("--protocol tcp --port %d", t.q.Port)
	case sim.ProtocolUDP:
		return fmt.Sprintf("--protocol udp --port %d", t.q.Port)
	case sim.ProtocolICMP:
		return "--protocol icmp --port -1"
	}
	return fmt.Sprintf("--protocol %d", t.q.Protocol)
}

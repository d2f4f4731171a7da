package worldtest

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"labsim/sim"
)

func (r *Rows) line(w words) error {
	switch w.verb {
	case "lab":
		r.lab = w.at(0)
		return nil
	case "vpc":
		return r.vpc(w)
	case "igw":
		return r.gateway(w)
	case "table":
		return r.table(w)
	case "route":
		return r.route(w)
	case "subnet":
		return r.subnet(w)
	case "group":
		return r.group(w)
	case "ingress", "egress":
		return r.rule(w)
	case "key":
		id := sim.KeyPairID("key-" + w.at(0))
		r.Keys[id] = sim.KeyPair{ID: id, Owner: Account, Name: w.at(0), Type: "ed25519",
			PublicKey: strings.Join(w.pos[1:], " "), Tags: r.tags(w.at(0))}
		return nil
	case "instance":
		return r.instance(w)
	case "eni":
		_, err := r.eni(w)
		return err
	case "address":
		id := sim.AllocationID("eipalloc-" + w.at(0))
		r.Addresses[id] = sim.Address{Allocation: id, Owner: Account, PublicIP: addr(w.at(1)), Tags: r.tags(w.at(0))}
		return nil
	case "volume":
		return r.volume(w)
	}
	return fmt.Errorf("no such line")
}

func (r *Rows) vpc(w words) error {
	p, err := netip.ParsePrefix(w.at(1))
	id := sim.VPCID("vpc-" + w.at(0))
	r.VPCs[id] = sim.VPC{ID: id, Owner: Account, CIDRs: []netip.Prefix{p}, Tenancy: "default",
		DNSSupport: !w.has("nodns"), DNSHostnames: w.has("hostnames"), Tags: r.tags(w.at(0))}
	return err
}

func (r *Rows) gateway(w words) error {
	id := sim.InternetGatewayID("igw-" + w.at(0))
	g := sim.InternetGateway{ID: id, Owner: Account, Tags: r.tags(w.at(0))}
	if w.at(1) != "" {
		g.VPC = sim.VPCID("vpc-" + w.at(1))
	}
	if w.has("internet") {
		g.Tags = g.Tags.With(sim.TagInternet, sim.InternetReal)
	}
	r.Gateways[id] = g
	return nil
}

func (r *Rows) table(w words) error {
	id, vpc := sim.RouteTableID("rtb-"+w.at(0)), sim.VPCID("vpc-"+w.at(1))
	v, ok := r.VPCs[vpc]
	if !ok {
		return fmt.Errorf("no VPC %s", vpc)
	}
	t := sim.RouteTable{ID: id, Owner: Account, VPC: vpc, Number: 1, Tags: r.tags(w.at(0))}
	for _, o := range r.Tables {
		if o.VPC == vpc {
			t.Number++
		}
	}
	for _, c := range v.CIDRs {
		t.Routes = append(t.Routes, sim.Route{Destination: c, Target: sim.RouteTarget{Kind: sim.TargetLocal, ID: "local"}, Origin: sim.OriginCreateRouteTable})
	}
	if w.has("main") {
		t.Associations = append(t.Associations, sim.RouteTableAssociation{ID: sim.AssociationID("rtbassoc-" + w.at(0)), Main: true})
	}
	r.Tables[id] = t
	return nil
}

func (r *Rows) route(w words) error {
	id := sim.RouteTableID("rtb-" + w.at(0))
	t, ok := r.Tables[id]
	if !ok {
		return fmt.Errorf("no route table %s", id)
	}
	p, err := netip.ParsePrefix(w.at(1))
	target := sim.RouteTarget{Kind: sim.TargetInternetGateway, ID: w.at(2)}
	if strings.HasPrefix(w.at(2), "eni-") {
		target.Kind = sim.TargetENI
	}
	t.Routes = append(t.Routes, sim.Route{Destination: p, Target: target, Origin: sim.OriginCreateRoute})
	r.Tables[id] = t
	return err
}

func (r *Rows) subnet(w words) error {
	id, vpc := sim.SubnetID("subnet-"+w.at(0)), sim.VPCID("vpc-"+w.at(1))
	p, err := netip.ParsePrefix(w.at(2))
	if err != nil {
		return err
	}
	n := sim.Subnet{ID: id, Owner: Account, VPC: vpc, CIDR: p, Zone: sim.Zone("us-east-1" + w.or("zone", "a")),
		MapPublicIP: w.has("public"), Number: 1, Tags: r.tags(w.at(0)), Status: sim.SubnetStatus{Ready: true}}
	for _, o := range r.Subnets {
		if o.VPC == vpc {
			n.Number++
		}
	}
	if s, ok := w.opt["number"]; ok {
		k, err := strconv.Atoi(s)
		if err != nil {
			return err
		}
		n.Number = uint32(k)
	}
	r.Subnets[id] = n
	if name, ok := w.opt["table"]; ok {
		t, ok := r.Tables[sim.RouteTableID("rtb-"+name)]
		if !ok {
			return fmt.Errorf("no route table %s", name)
		}
		t.Associations = append(t.Associations, sim.RouteTableAssociation{ID: sim.AssociationID("rtbassoc-" + w.at(0)), Subnet: id})
		r.Tables[t.ID] = t
	}
	return nil
}

func (r *Rows) group(w words) error {
	id := sim.SecurityGroupID("sg-" + w.at(0))
	r.Groups[id] = sim.SecurityGroup{ID: id, Owner: Account, VPC: sim.VPCID("vpc-" + w.at(1)), Name: w.at(0),
		Description: w.at(0), Tags: r.tags(w.at(0))}
	return nil
}

func (r *Rows) rule(w words) error {
	g, ok := r.Groups[sim.SecurityGroupID("sg-"+w.at(0))]
	if !ok || len(w.pos) < 3 {
		return fmt.Errorf("want: ingress GROUP PORTS PEER")
	}
	proto, from, to, err := ports(w.at(1))
	if err != nil {
		return err
	}
	egress, dir := w.verb == "egress", "in"
	if egress {
		dir = "out"
	}
	for _, peer := range w.pos[2:] {
		n := 1
		for _, o := range g.Rules {
			if o.Egress == egress {
				n++
			}
		}
		x := sim.SecurityGroupRule{ID: sim.SecurityGroupRuleID(fmt.Sprintf("sgr-%s-%s%d", g.Name, dir, n)),
			Egress: egress, Protocol: proto, FromPort: from, ToPort: to}
		if p, err := netip.ParsePrefix(peer); err == nil {
			x.CIDR = p
		} else {
			x.Group = sim.SecurityGroupID("sg-" + peer)
		}
		g.Rules = append(g.Rules, x)
	}
	r.Groups[g.ID] = g
	return nil
}

func (r *Rows) eni(w words) (sim.ENI, error) {
	n, ok := r.Subnets[sim.SubnetID("subnet-"+w.at(1))]
	if !ok {
		return sim.ENI{}, fmt.Errorf("no subnet %s", w.at(1))
	}
	id := sim.ENIID("eni-" + w.at(0))
	e := sim.ENI{ID: id, Owner: Account, VPC: n.VPC, Subnet: n.ID, Zone: n.Zone, MAC: mac(w.at(0)), PrivateIP: addr(w.at(2)),
		SourceDestCheck: !w.has("nocheck"), Tags: r.tags(w.at(0))}
	for _, g := range strings.FieldsFunc(w.opt["groups"], func(c rune) bool { return c == ',' }) {
		e.SecurityGroups = append(e.SecurityGroups, sim.SecurityGroupID("sg-"+g))
	}
	e.PublicIP = addr(w.opt["public"])
	if ip, ok := w.opt["eip"]; ok {
		e.PublicIP, e.Allocation = addr(ip), sim.AllocationID("eipalloc-"+w.at(0))
		r.Addresses[e.Allocation] = sim.Address{Allocation: e.Allocation, Owner: Account, PublicIP: e.PublicIP,
			Association: sim.EIPAssociationID("eipassoc-" + w.at(0)), ENI: id, PrivateIP: e.PrivateIP, Tags: r.tags(w.at(0))}
	}
	r.ENIs[id] = e
	return e, nil
}

func (r *Rows) instance(w words) error {
	e, err := r.eni(w)
	if err != nil {
		return err
	}
	id, name := sim.InstanceID("i-"+w.at(0)), w.at(0)
	e.Attachment = sim.ENIAttachment{ID: sim.AttachmentID("eni-attach-" + name), Instance: id, DeleteOnTermination: true}
	r.ENIs[e.ID] = e
	i := sim.Instance{ID: id, Owner: Account, Reservation: sim.ReservationID("r-" + name), Image: "ami-linux",
		Type: w.or("type", "t3.micro"), KeyName: w.opt["key"], VPC: e.VPC, Subnet: e.Subnet, Zone: e.Zone,
		Desired: sim.DesiredRunning, Boot: 1, Tags: r.tags(name),
		MetadataOptions: sim.MetadataOptions{TokensRequired: w.has("tokens"), HopLimit: 1, Disabled: w.has("nometadata"), InstanceTags: w.has("instancetags")},
		Status:          sim.InstanceStatus{State: sim.InstanceState(w.or("state", "running")), Boot: 1}}
	if i.KeyName != "" {
		i.PublicKey = r.Keys[sim.KeyPairID("key-"+i.KeyName)].PublicKey
	}
	if u, ok := w.opt["userdata"]; ok {
		i.UserData = []byte(u)
	}
	r.Instances[id] = i
	return nil
}

func (r *Rows) volume(w words) error {
	size, err := strconv.Atoi(w.at(1))
	id := sim.VolumeID("vol-" + w.at(0))
	r.Volumes[id] = sim.Volume{ID: id, Owner: Account, Zone: "us-east-1a", Size: size, Type: "gp3", Tags: r.tags(w.at(0)),
		Status: sim.VolumeStatus{Ready: true, Deleting: w.has("deleting")}}
	if on, ok := w.opt["on"]; ok {
		i, had := r.Instances[sim.InstanceID("i-"+on)]
		if !had {
			return fmt.Errorf("no instance %s", on)
		}
		i.BlockDevices = append(i.BlockDevices, sim.BlockDevice{Device: w.or("device", "/dev/sdf"), Volume: id})
		r.Instances[i.ID] = i
	}
	return err
}

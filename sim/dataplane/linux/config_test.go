//go:build linux

package linux

import (
	"net/netip"

	"labsim/sim"
	"labsim/sim/dataplane"
)

const (
	vpcA = sim.VPCID("vpc-0a")
	vpcB = sim.VPCID("vpc-0b")

	web   = sim.ENIID("eni-0web")
	web2  = sim.ENIID("eni-0web2")
	db    = sim.ENIID("eni-0db")
	other = sim.ENIID("eni-0other") // beside web, without its group
	bWeb  = sim.ENIID("eni-0bweb")  // in vpcB, with web's address
	bPeer = sim.ENIID("eni-0bpeer")
)

func addr(s string) netip.Addr     { return netip.MustParseAddr(s) }
func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func tcp(id string, from, to int, cidr string) dataplane.Rule {
	return dataplane.Rule{ID: sim.SecurityGroupRuleID(id), Protocol: sim.ProtocolTCP, FromPort: from, ToPort: to, CIDR: prefix(cidr)}
}

func all(id string) []dataplane.Rule {
	return []dataplane.Rule{{ID: sim.SecurityGroupRuleID(id), Protocol: sim.ProtocolAll, FromPort: -1, ToPort: -1, CIDR: sim.Everywhere}}
}

func eni(id sim.ENIID, subnet sim.SubnetID, ip, mac string, groups ...sim.SecurityGroupID) dataplane.ENI {
	return dataplane.ENI{ID: id, Subnet: subnet, Addr: addr(ip), MAC: mac, Groups: groups, SourceDestCheck: true}
}

// seedVPC is the lab of the seed: a public subnet with web, a private one with db.
func seedVPC(edgePID int) dataplane.VPC {
	ping := dataplane.Rule{ID: "sgr-0ping", Protocol: sim.ProtocolICMP, FromPort: 8, ToPort: -1, CIDR: sim.Everywhere}
	fromWeb := dataplane.Rule{ID: "sgr-0db", Protocol: sim.ProtocolTCP, FromPort: 5432, ToPort: 5432, Group: "sg-0web"}
	range_ := dataplane.Rule{ID: "sgr-0range", Protocol: sim.ProtocolUDP, FromPort: 6000, ToPort: 6010, CIDR: prefix("10.0.1.0/24")}
	return dataplane.VPC{
		ID: vpcA, CIDRs: []netip.Prefix{prefix("10.0.0.0/16")}, DNS: addr("10.0.0.2"),
		Subnets: []dataplane.Subnet{
			{ID: "subnet-0pub", CIDR: prefix("10.0.1.0/24"), Number: 1, Table: "rtb-0pub"},
			{ID: "subnet-0priv", CIDR: prefix("10.0.2.0/24"), Number: 2, Table: "rtb-0priv"},
		},
		Tables: []dataplane.RouteTable{
			{ID: "rtb-0priv", Number: 1},
			{ID: "rtb-0pub", Number: 2, Routes: []dataplane.Route{{Destination: sim.Everywhere, Kind: dataplane.RouteGateway}}},
		},
		Groups: []dataplane.SecurityGroup{
			{ID: "sg-0db", Ingress: []dataplane.Rule{fromWeb, range_}, Egress: all("sgr-0dbout"), Members: []netip.Addr{addr("10.0.2.10")}},
			{ID: "sg-0none", Egress: all("sgr-0noneout")},
			{ID: "sg-0web", Ingress: []dataplane.Rule{tcp("sgr-0http", 80, 80, "0.0.0.0/0"), ping}, Egress: all("sgr-0webout"),
				Members: []netip.Addr{addr("10.0.1.10"), addr("10.0.1.11")}},
		},
		ENIs: []dataplane.ENI{
			eni(db, "subnet-0priv", "10.0.2.10", "0a:00:00:00:02:10", "sg-0db"),
			eni(other, "subnet-0pub", "10.0.1.12", "0a:00:00:00:01:12", "sg-0none"),
			eni(web, "subnet-0pub", "10.0.1.10", "0a:00:00:00:01:10", "sg-0web"),
			eni(web2, "subnet-0pub", "10.0.1.11", "0a:00:00:00:01:11", "sg-0none", "sg-0web"),
		},
		Gateway: &dataplane.Gateway{ID: "igw-0a", Container: "edge", PID: edgePID, Publics: []dataplane.PublicAddr{
			{Public: addr("198.51.100.20"), Private: addr("10.0.1.10")},
			{Public: addr("198.51.100.21"), Private: addr("10.0.1.11")},
		}},
	}
}

// twinVPC has the same blocks as seedVPC, and no gateway.
func twinVPC() dataplane.VPC {
	return dataplane.VPC{
		ID: vpcB, CIDRs: []netip.Prefix{prefix("10.0.0.0/16")}, DNS: addr("10.0.0.2"),
		Subnets: []dataplane.Subnet{{ID: "subnet-0b", CIDR: prefix("10.0.1.0/24"), Number: 1, Table: "rtb-0b"}},
		Tables:  []dataplane.RouteTable{{ID: "rtb-0b", Number: 1}},
		Groups:  []dataplane.SecurityGroup{{ID: "sg-0b", Ingress: all("sgr-0bin"), Egress: all("sgr-0bout")}},
		ENIs: []dataplane.ENI{
			eni(bPeer, "subnet-0b", "10.0.1.20", "0a:00:00:00:01:20", "sg-0b"),
			eni(bWeb, "subnet-0b", "10.0.1.10", "0a:00:00:00:01:10", "sg-0b"),
		},
	}
}

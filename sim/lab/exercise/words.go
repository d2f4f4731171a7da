package exercise

import "labsim/sim"

// attributeText is an attribute's name for the learner, who has not read checks.yaml.
func attributeText(name string) sim.Text {
	switch name {
	case "name":
		return sim.T("name")
	case "vpc":
		return sim.T("VPC")
	case "cidr", "free-cidr":
		return sim.T("CIDR block")
	case "gateway":
		return sim.T("internet gateway")
	case "zone":
		return sim.T("availability zone")
	case "route-table":
		return sim.T("route table")
	case "subnet":
		return sim.T("subnet")
	case "state":
		return sim.T("state")
	case "type":
		return sim.T("type")
	case "private-ip":
		return sim.T("private address")
	case "public-ip":
		return sim.T("public address")
	case "key":
		return sim.T("key pair")
	case "security-groups":
		return sim.T("security group")
	case "open-to-all":
		return sim.T("inbound rule for everybody")
	case "volumes":
		return sim.T("volume")
	case "instance":
		return sim.T("instance")
	}
	return sim.Cmd("%s", name)
}

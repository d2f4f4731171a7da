package region_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labsim/sim"
	"labsim/sim/control/controltest"
	"labsim/sim/ec2/wire"
	"labsim/sim/region"
)

// lab is one of everything, and some of it in each other's way.
const lab = `
vpc=$(aws ec2 create-vpc --cidr-block 10.0.0.0/16 --query Vpc.VpcId --output text)
other=$(aws ec2 create-vpc --cidr-block 10.0.0.0/16 --query Vpc.VpcId --output text)
igw=$(aws ec2 create-internet-gateway --query InternetGateway.InternetGatewayId --output text)
aws ec2 attach-internet-gateway --vpc-id $vpc --internet-gateway-id $igw
public=$(aws ec2 create-subnet --vpc-id $vpc --cidr-block 10.0.1.0/24 --query Subnet.SubnetId --output text)
private=$(aws ec2 create-subnet --vpc-id $vpc --cidr-block 10.0.2.0/24 --query Subnet.SubnetId --output text)
box=$(aws ec2 create-subnet --vpc-id $vpc --cidr-block 10.0.3.0/24 --query Subnet.SubnetId --output text)
main=$(aws ec2 describe-route-tables --filters Name=vpc-id,Values=$vpc --query 'RouteTables[0].RouteTableId' --output text)
table=$(aws ec2 create-route-table --vpc-id $vpc --query RouteTable.RouteTableId --output text)
aws ec2 create-route --route-table-id $table --destination-cidr-block 0.0.0.0/0 --gateway-id $igw
aws ec2 associate-route-table --route-table-id $table --subnet-id $public
web=$(aws ec2 create-security-group --group-name web --description web --vpc-id $vpc --query GroupId --output text)
db=$(aws ec2 create-security-group --group-name db --description db --vpc-id $vpc --query GroupId --output text)
aws ec2 authorize-security-group-ingress --group-id $db --protocol tcp --port 5432 --source-group $web
aws ec2 authorize-security-group-ingress --group-id $web --protocol tcp --port 80 --cidr 0.0.0.0/0
aws ec2 authorize-security-group-ingress --group-id $web --protocol tcp --port 80 --source-group $db
ami=$(aws ec2 describe-images --owners amazon --query 'Images[0].ImageId' --output text)
i=$(aws ec2 run-instances --image-id $ami --subnet-id $public --security-group-ids $web --associate-public-ip-address --query 'Instances[0].InstanceId' --output text)
eni=$(aws ec2 describe-instances --instance-ids $i --query 'Reservations[0].Instances[0].NetworkInterfaces[0].NetworkInterfaceId' --output text)
routed=$(aws ec2 create-route-table --vpc-id $vpc --query RouteTable.RouteTableId --output text)
aws ec2 create-route --route-table-id $routed --destination-cidr-block 0.0.0.0/0 --network-interface-id $eni
aws ec2 associate-route-table --route-table-id $routed --subnet-id $box
aws ec2 wait instance-running --instance-ids $i
`

func observe(t *testing.T, api region.API) *region.Region {
	t.Helper()
	r, err := region.Observe(t.Context(), api)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A teardown is possible in its order, and after each call stands what Without says.
func TestTeardown(t *testing.T) {
	t.Parallel()
	api := controltest.Start(t)
	v := api.Script(lab, nil)
	r := observe(t, api)
	calls := r.Teardown(vpc(t, r, v["vpc"]))
	for n, x := range calls {
		if err := api.Do(t.Context(), x.Action, x.In, nil); err != nil {
			t.Fatalf("call %d of %d, %s %s: %v", n+1, len(calls), x.Action, x.ID, err)
		}
		if x.Ends {
			api.Script("aws ec2 wait instance-terminated --instance-ids "+x.ID, nil)
		}
		if diff := cmp.Diff(standing(observe(t, api)), standing(r.Without(calls[:n+1]...))); diff != "" {
			t.Errorf("after %s %s (-what stands +what Without says):\n%s", x.Action, x.ID, diff)
		}
	}
	if got := standing(observe(t, api)); strings.Contains(strings.Join(got, "\n"), v["vpc"]) || len(got) != 5 {
		t.Errorf("after the teardown stand %q, want the other VPC with its table and group", got)
	}
	if len(standing(r)) < 12 {
		t.Errorf("the region that the calls are of has changed: %q", standing(r))
	}
}

func vpc(t *testing.T, r *region.Region, id string) wire.Vpc {
	t.Helper()
	for _, v := range r.VPCs {
		if *v.VpcId == id {
			return v
		}
	}
	t.Fatal("there is no ", id)
	return wire.Vpc{}
}

// standing lists what stands, with what a removal may change of it.
func standing(r *region.Region) (out []string) {
	add := func(words ...string) { out = append(out, strings.Join(words, " ")) }
	for _, v := range r.VPCs {
		add(*v.VpcId)
	}
	for _, s := range r.Subnets {
		add(*s.SubnetId, *s.VpcId)
	}
	for _, g := range r.InternetGateways {
		add(*g.InternetGatewayId)
		for _, a := range g.Attachments {
			add(" ", *a.VpcId)
		}
	}
	for _, x := range r.RouteTables {
		add(*x.RouteTableId, *x.VpcId)
		for _, a := range x.Associations {
			if a.SubnetId != nil {
				add(" ", *a.SubnetId)
			}
		}
	}
	for _, g := range r.SecurityGroups {
		add(*g.GroupId, *g.VpcId)
		for _, p := range append(g.IpPermissions, g.IpPermissionsEgress...) {
			for _, x := range p.UserIdGroupPairs {
				add(" ", *p.IpProtocol, *x.GroupId)
			}
			for _, x := range p.IpRanges {
				add(" ", *p.IpProtocol, *x.CidrIp)
			}
		}
	}
	for _, i := range r.Living() {
		add(*i.InstanceId, strings.Join(region.GroupsOf(i), " "))
	}
	return out
}

// What makes a subnet public is the attached gateway at the end of its default route.
func TestExitOf(t *testing.T) {
	t.Parallel()
	api := controltest.Start(t)
	v := api.Script(lab, nil)
	exit := func(subnet string) region.Exit {
		t.Helper()
		r := observe(t, api)
		for _, s := range r.Subnets {
			if *s.SubnetId == v[subnet] {
				e := r.ExitOf(s)
				e.Association = map[bool]string{true: "", false: "own"}[e.Association == ""]
				return e
			}
		}
		t.Fatal("there is no subnet ", subnet)
		return region.Exit{}
	}
	check := func(subnet string, want region.Exit) {
		t.Helper()
		if diff := cmp.Diff(want, exit(subnet)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", subnet, diff)
		}
	}
	check("public", region.Exit{Table: v["table"], Association: "own", Target: v["igw"], Public: true})
	check("private", region.Exit{Table: v["main"]})
	check("box", region.Exit{Table: v["routed"], Association: "own", Target: v["eni"]})

	api.Script("aws ec2 create-route --route-table-id $main --destination-cidr-block 0.0.0.0/0 --gateway-id $igw", v)
	check("private", region.Exit{Table: v["main"], Target: v["igw"], Public: true})
	api.Script("aws ec2 terminate-instances --instance-ids $i; aws ec2 wait instance-terminated --instance-ids $i; aws ec2 detach-internet-gateway --vpc-id $vpc --internet-gateway-id $igw", v)
	check("public", region.Exit{Table: v["table"], Association: "own", Target: v["igw"]})
}

// The picture has everything at its place, and who reaches whom.
func TestPicture(t *testing.T) {
	t.Parallel()
	api := controltest.Start(t)
	v := api.Script(lab, nil)
	m, err := observe(t, api).Picture(t.Context(), api.Trace)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.VPCs) != 2 || len(m.Flows) != 1 || m.Flows[0].From != "" || m.Flows[0].To != v["i"] || !cmp.Equal(m.Flows[0].Ports, []string{"80"}) {
		t.Errorf("%d VPCs, flows %+v; want two, and 80 from the internet to %s", len(m.VPCs), m.Flows, v["i"])
	}
	for _, x := range m.VPCs {
		for _, s := range x.Subnets {
			if want := s.ID == v["public"]; s.Public != want || len(s.Instances) == 1 != want || want && s.Instances[0].State != string(sim.StateRunning) {
				t.Errorf("subnet %+v", s)
			}
		}
	}
}

package exercise

import (
	"strings"
	"testing"
)

// wrong networks, each what a learner might build: the finished lab with a
// change. Which check must say so, and with which words.
var wrongNetworks = []struct {
	name, change string
	check, why   string
}{
	{"both subnets are public", `
		aws ec2 create-route --route-table-id $private_route_table --destination-cidr-block 0.0.0.0/0 --gateway-id $gateway`,
		"private-route", "has 0.0.0.0/0 -> igw-"},
	{"the route is in the main table", `
		aws ec2 disassociate-route-table --association-id $public_association
		main=$(aws ec2 describe-route-tables --filters Name=association.main,Values=true Name=vpc-id,Values=$vpc --query 'RouteTables[0].RouteTableId' --output text)
		aws ec2 create-route --route-table-id $main --destination-cidr-block 0.0.0.0/0 --gateway-id $gateway`,
		"private-route", "uses the main one"},
	{"no route to the gateway", `
		aws ec2 delete-route --route-table-id $public_route_table --destination-cidr-block 0.0.0.0/0`,
		"public-route", "has no route for 0.0.0.0/0"},
	{"the public subnet has the private table", `
		aws ec2 replace-route-table-association --association-id $public_association --route-table-id $private_route_table`,
		"public-route", "has no route for 0.0.0.0/0"},
	{"the database has a public address", `
		address=$(aws ec2 allocate-address --domain vpc --query AllocationId --output text)
		aws ec2 associate-address --allocation-id $address --instance-id $db`,
		"no-public-address", "is to have none"},
	{"the web server is stopped", `
		aws ec2 stop-instances --instance-ids $web
		aws ec2 wait instance-stopped --instance-ids $web`,
		"running", "at least 2 are wanted"},
	{"nobody may open the page", `
		group=$(aws ec2 describe-security-groups --filters Name=group-name,Values=web --query 'SecurityGroups[0].GroupId' --output text)
		aws ec2 revoke-security-group-ingress --group-id $group --protocol tcp --port 80 --cidr 0.0.0.0/0`,
		"page", "no inbound rule"},
	{"the database is for another address range", `
		group=$(aws ec2 describe-security-groups --filters Name=group-name,Values=db --query 'SecurityGroups[0].GroupId' --output text)
		aws ec2 revoke-security-group-ingress --group-id $group --protocol tcp --port 5432 --cidr $vpc_cidr
		aws ec2 authorize-security-group-ingress --group-id $group --protocol tcp --port 5432 --cidr 192.168.0.0/16`,
		"database", "no inbound rule"},
	{"the web server may not send", `
		group=$(aws ec2 describe-security-groups --filters Name=group-name,Values=web --query 'SecurityGroups[0].GroupId' --output text)
		aws ec2 revoke-security-group-egress --group-id $group --protocol all --cidr 0.0.0.0/0`,
		"bastion", "no outbound rule"},
	{"the gateway belongs to another VPC", `
		aws ec2 terminate-instances --instance-ids $web
		aws ec2 wait instance-terminated --instance-ids $web
		aws ec2 detach-internet-gateway --internet-gateway-id $gateway --vpc-id $vpc
		other=$(aws ec2 create-vpc --cidr-block 10.9.0.0/16 --query Vpc.VpcId --output text)
		aws ec2 attach-internet-gateway --internet-gateway-id $gateway --vpc-id $other`,
		"gateway", "VPC of igw-"},
	{"the database is open to everybody", `
		group=$(aws ec2 describe-security-groups --filters Name=group-name,Values=db --query 'SecurityGroups[0].GroupId' --output text)
		aws ec2 authorize-security-group-ingress --group-id $group --protocol tcp --port 0-65535 --cidr 0.0.0.0/0`,
		"not-for-everybody", "tcp/0-65535"},
	{"one subnet for all", `
		aws ec2 terminate-instances --instance-ids $db
		aws ec2 wait instance-terminated --instance-ids $db
		aws ec2 delete-subnet --subnet-id $private`,
		"second-subnet", "counts as the public subnet; the private subnet is still missing"},
}

// No wrong network passes, and the right check says why.
func TestWrongNetworks(t *testing.T) {
	t.Parallel()
	x := ownLab(t, "custom-vpc").Exercise
	for _, c := range wrongNetworks {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRegion(t)
			r.solve(x)
			r.do(x, c.change)
			got := r.check(x)[c.check]
			if got.Passed {
				t.Fatalf("%s passes", c.check)
			}
			if !strings.Contains(got.Why.String(), c.why) {
				t.Errorf("%s says %q, want %q in it", c.check, got.Why, c.why)
			}
		})
	}
}

// A solution goes on from what somebody has begun, with names and addresses of
// the learner's choice.
func TestSolutionGoesOn(t *testing.T) {
	t.Parallel()
	x := ownLab(t, "custom-vpc").Exercise
	for name, begun := range map[string]string{
		"groups": `
			vpc=$(aws ec2 create-vpc --cidr-block 10.0.0.0/16 --query Vpc.VpcId --output text)
			web=$(aws ec2 create-security-group --group-name web --description web --vpc-id $vpc --query GroupId --output text)
			aws ec2 authorize-security-group-ingress --group-id $web --protocol tcp --port 22 --cidr 0.0.0.0/0
			db=$(aws ec2 create-security-group --group-name db --description db --vpc-id $vpc --query GroupId --output text)
			aws ec2 authorize-security-group-ingress --group-id $db --protocol tcp --port 5432 --source-group $web`,
		"subnet": `
			vpc=$(aws ec2 create-vpc --cidr-block 10.0.0.0/16 --query Vpc.VpcId --output text)
			aws ec2 create-subnet --vpc-id $vpc --cidr-block 10.0.2.0/23`,
		"range": "aws ec2 create-vpc --cidr-block 172.20.0.0/16",
		"small": "aws ec2 create-vpc --cidr-block 192.168.7.0/26",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRegion(t)
			r.do(x, begun)
			r.solve(x)
			if bad := failing(r.checks(x)); len(bad) > 0 {
				t.Errorf("these still fail: %v", bad)
			}
		})
	}
}

// A solution that needs what is not there says so, and changes nothing.
func TestSolutionDoesNotFit(t *testing.T) {
	t.Parallel()
	x := ownLab(t, "custom-vpc").Exercise
	r := newRegion(t)
	r.do(x, `
		vpc=$(aws ec2 create-vpc --cidr-block 10.0.0.0/24 --query Vpc.VpcId --output text)
		aws ec2 create-subnet --vpc-id $vpc --cidr-block 10.0.0.0/24`)
	a := r.look(x)
	results, err := a.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.Solve(t.Context(), r.Runner(), results); err == nil || !strings.Contains(err.Error(), "the variable vpc_free_cidr has no value here") {
		t.Errorf("got %v", err)
	}
}

// Each step's checks fail before its solution and pass after it.
func TestSolutions(t *testing.T) {
	t.Parallel()
	x := ownLab(t, "custom-vpc").Exercise
	r := newRegion(t)
	for _, s := range x.Steps {
		failed := 0
		for _, c := range r.check(x, s.Name) {
			if !c.Passed {
				failed++
			}
		}
		if failed == 0 {
			t.Errorf("%s passes before it is begun", s.Name)
		}
		for range 20 {
			a := r.look(x)
			results, err := a.Check(t.Context(), s.Name)
			if err != nil {
				t.Fatal(err)
			}
			if solved, _, err := a.Solve(t.Context(), r.Runner(), results); err != nil {
				t.Fatalf("%s: %v", s.Name, err)
			} else if solved == nil {
				break
			}
		}
		for name, c := range r.check(x, s.Name) {
			if !c.Passed && !c.Skipped {
				t.Errorf("%s, %s: %v", s.Name, name, c.Why)
			}
		}
	}
}

// Other names, other CIDRs, another order: what counts is what was built.
func TestAnyRightWay(t *testing.T) {
	t.Parallel()
	x := ownLab(t, "custom-vpc").Exercise
	r := newRegion(t)
	_, err := r.Runner().Run(t.Context(), `
		igw=$(aws ec2 create-internet-gateway --query InternetGateway.InternetGatewayId --output text)
		decoy=$(aws ec2 create-vpc --cidr-block 10.0.0.0/16 --tag-specifications 'ResourceType=vpc,Tags=[{Key=Name,Value=lab}]' --query Vpc.VpcId --output text)
		aws ec2 create-subnet --vpc-id $decoy --cidr-block 10.0.7.0/24 --tag-specifications 'ResourceType=subnet,Tags=[{Key=Name,Value=public}]'
		net=$(aws ec2 create-vpc --cidr-block 172.20.0.0/20 --query Vpc.VpcId --output text)
		back=$(aws ec2 create-subnet --vpc-id $net --cidr-block 172.20.1.0/26 --availability-zone us-east-1c --query Subnet.SubnetId --output text)
		front=$(aws ec2 create-subnet --vpc-id $net --cidr-block 172.20.0.0/26 --availability-zone us-east-1b --query Subnet.SubnetId --output text)
		open=$(aws ec2 create-security-group --group-name front --description x --vpc-id $net --query GroupId --output text)
		aws ec2 authorize-security-group-ingress --group-id $open --protocol tcp --port 1-1024 --cidr 0.0.0.0/0
		shut=$(aws ec2 create-security-group --group-name back --description x --vpc-id $net --query GroupId --output text)
		aws ec2 authorize-security-group-ingress --group-id $shut --protocol all --source-group $open
		aws ec2 create-key-pair --key-name mine
		image=$(aws ec2 describe-images --owners amazon --query 'Images[0].ImageId' --output text)
		one=$(aws ec2 run-instances --image-id $image --subnet-id $front --security-group-ids $open --key-name mine --query 'Instances[0].InstanceId' --output text)
		two=$(aws ec2 run-instances --image-id $image --subnet-id $back --security-group-ids $shut --instance-type m5.large \
			--block-device-mappings 'DeviceName=/dev/sdh,Ebs={VolumeSize=1}' --query 'Instances[0].InstanceId' --output text)
		aws ec2 attach-internet-gateway --internet-gateway-id $igw --vpc-id $net
		table=$(aws ec2 create-route-table --vpc-id $net --query RouteTable.RouteTableId --output text)
		aws ec2 associate-route-table --route-table-id $table --subnet-id $front
		aws ec2 create-route --route-table-id $table --destination-cidr-block 0.0.0.0/0 --gateway-id $igw
		aws ec2 wait instance-running --instance-ids $one $two
		address=$(aws ec2 allocate-address --domain vpc --query AllocationId --output text)
		aws ec2 associate-address --allocation-id $address --instance-id $one
	`, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range r.check(x) {
		if !c.Passed && !c.Skipped {
			t.Errorf("%s: %v", name, c.Why)
		}
	}
}

package ec2_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"labsim/sim"
	"labsim/sim/ec2"
	"labsim/sim/ec2/wire"
)

var update = flag.Bool("update", false, "write the golden files anew")

// documented are the elements of the example responses in the EC2 API Reference,
// of the operations' pages. Each must be in labsim's answer, at the same place.
var documented = map[string]string{
	"DescribeVpcs": `requestId vpcSet/item/vpcId vpcSet/item/ownerId vpcSet/item/state vpcSet/item/cidrBlock
		vpcSet/item/cidrBlockAssociationSet/item/cidrBlock vpcSet/item/cidrBlockAssociationSet/item/associationId
		vpcSet/item/cidrBlockAssociationSet/item/cidrBlockState/state vpcSet/item/dhcpOptionsId
		vpcSet/item/tagSet/item/key vpcSet/item/tagSet/item/value vpcSet/item/instanceTenancy vpcSet/item/isDefault`,
	"DescribeSubnets": `requestId subnetSet/item/subnetId subnetSet/item/subnetArn subnetSet/item/state subnetSet/item/ownerId subnetSet/item/vpcId
		subnetSet/item/cidrBlock subnetSet/item/ipv6CidrBlockAssociationSet subnetSet/item/availableIpAddressCount subnetSet/item/availabilityZone
		subnetSet/item/availabilityZoneId subnetSet/item/defaultForAz subnetSet/item/mapPublicIpOnLaunch subnetSet/item/assignIpv6AddressOnCreation`,
	"DescribeRouteTables": `requestId routeTableSet/item/routeTableId routeTableSet/item/vpcId routeTableSet/item/routeSet/item/destinationCidrBlock
		routeTableSet/item/routeSet/item/gatewayId routeTableSet/item/routeSet/item/state routeTableSet/item/routeSet/item/origin
		routeTableSet/item/associationSet/item/routeTableAssociationId routeTableSet/item/associationSet/item/routeTableId
		routeTableSet/item/associationSet/item/main routeTableSet/item/associationSet/item/subnetId
		routeTableSet/item/propagatingVgwSet routeTableSet/item/tagSet`,
	"DescribeInternetGateways": `requestId internetGatewaySet/item/internetGatewayId internetGatewaySet/item/ownerId
		internetGatewaySet/item/attachmentSet/item/vpcId internetGatewaySet/item/attachmentSet/item/state internetGatewaySet/item/tagSet`,
	"DescribeSecurityGroups": `requestId securityGroupInfo/item/ownerId securityGroupInfo/item/groupId securityGroupInfo/item/groupName
		securityGroupInfo/item/groupDescription securityGroupInfo/item/vpcId securityGroupInfo/item/ipPermissions/item/ipProtocol
		securityGroupInfo/item/ipPermissions/item/fromPort securityGroupInfo/item/ipPermissions/item/toPort securityGroupInfo/item/ipPermissions/item/groups
		securityGroupInfo/item/ipPermissions/item/ipRanges/item/cidrIp securityGroupInfo/item/ipPermissions/item/ipv6Ranges
		securityGroupInfo/item/ipPermissions/item/prefixListIds securityGroupInfo/item/ipPermissionsEgress/item/ipProtocol
		securityGroupInfo/item/ipPermissionsEgress/item/ipRanges/item/cidrIp`,
	"DescribeInstances": `requestId reservationSet/item/reservationId reservationSet/item/ownerId reservationSet/item/groupSet
		reservationSet/item/instancesSet/item/instanceId reservationSet/item/instancesSet/item/imageId reservationSet/item/instancesSet/item/instanceState/code
		reservationSet/item/instancesSet/item/instanceState/name reservationSet/item/instancesSet/item/privateDnsName reservationSet/item/instancesSet/item/dnsName
		reservationSet/item/instancesSet/item/reason reservationSet/item/instancesSet/item/amiLaunchIndex reservationSet/item/instancesSet/item/productCodes
		reservationSet/item/instancesSet/item/instanceType reservationSet/item/instancesSet/item/launchTime
		reservationSet/item/instancesSet/item/placement/availabilityZone reservationSet/item/instancesSet/item/placement/groupName
		reservationSet/item/instancesSet/item/placement/tenancy reservationSet/item/instancesSet/item/monitoring/state
		reservationSet/item/instancesSet/item/subnetId reservationSet/item/instancesSet/item/vpcId reservationSet/item/instancesSet/item/privateIpAddress
		reservationSet/item/instancesSet/item/ipAddress reservationSet/item/instancesSet/item/sourceDestCheck
		reservationSet/item/instancesSet/item/groupSet/item/groupId reservationSet/item/instancesSet/item/groupSet/item/groupName
		reservationSet/item/instancesSet/item/architecture reservationSet/item/instancesSet/item/rootDeviceType reservationSet/item/instancesSet/item/rootDeviceName
		reservationSet/item/instancesSet/item/blockDeviceMapping/item/deviceName reservationSet/item/instancesSet/item/blockDeviceMapping/item/ebs/volumeId
		reservationSet/item/instancesSet/item/blockDeviceMapping/item/ebs/status reservationSet/item/instancesSet/item/blockDeviceMapping/item/ebs/attachTime
		reservationSet/item/instancesSet/item/blockDeviceMapping/item/ebs/deleteOnTermination
		reservationSet/item/instancesSet/item/virtualizationType reservationSet/item/instancesSet/item/clientToken
		reservationSet/item/instancesSet/item/tagSet/item/key reservationSet/item/instancesSet/item/hypervisor
		reservationSet/item/instancesSet/item/networkInterfaceSet/item/networkInterfaceId reservationSet/item/instancesSet/item/networkInterfaceSet/item/macAddress
		reservationSet/item/instancesSet/item/networkInterfaceSet/item/attachment/attachmentId reservationSet/item/instancesSet/item/networkInterfaceSet/item/attachment/deviceIndex
		reservationSet/item/instancesSet/item/networkInterfaceSet/item/association/publicIp reservationSet/item/instancesSet/item/networkInterfaceSet/item/association/ipOwnerId
		reservationSet/item/instancesSet/item/networkInterfaceSet/item/privateIpAddressesSet/item/primary
		reservationSet/item/instancesSet/item/ebsOptimized reservationSet/item/instancesSet/item/cpuOptions/coreCount reservationSet/item/instancesSet/item/cpuOptions/threadsPerCore`,
	"DescribeVolumes": `requestId volumeSet/item/volumeId volumeSet/item/size volumeSet/item/snapshotId volumeSet/item/availabilityZone volumeSet/item/status
		volumeSet/item/createTime volumeSet/item/attachmentSet/item/volumeId volumeSet/item/attachmentSet/item/instanceId volumeSet/item/attachmentSet/item/device
		volumeSet/item/attachmentSet/item/status volumeSet/item/attachmentSet/item/attachTime volumeSet/item/attachmentSet/item/deleteOnTermination
		volumeSet/item/volumeType volumeSet/item/encrypted volumeSet/item/multiAttachEnabled`,
	"DescribeAddresses": `requestId addressesSet/item/publicIp addressesSet/item/allocationId addressesSet/item/domain addressesSet/item/instanceId
		addressesSet/item/associationId addressesSet/item/networkInterfaceId addressesSet/item/networkInterfaceOwnerId addressesSet/item/privateIpAddress`,
}

// The answers of a small world, in full, and against AWS's examples.
func TestGoldenAnswers(t *testing.T) {
	l := newLab(t, ec2.Options{})
	smallWorld(l)
	file := filepath.Join("testdata", "answers.txtar")
	var got txtar.Archive
	for _, action := range sortedKeys(documented) {
		body := l.raw(action)
		for path := range strings.FieldsSeq(documented[action]) {
			if !elements(t, body)[action+"Response/"+path] {
				t.Errorf("%s: AWS's example has the element %s, the answer has not", action, path)
			}
		}
		got.Files = append(got.Files, txtar.File{Name: action, Data: indent(t, body)})
	}
	if *update {
		l.must(os.WriteFile(file, txtar.Format(&got), 0o644))
	}
	want, err := os.ReadFile(file)
	l.must(err)
	if diff := cmp.Diff(string(want), string(txtar.Format(&got))); diff != "" {
		t.Errorf("answers; write them anew by -update (-want +got):\n%s", diff)
	}
}

// smallWorld has one of each thing that the Describes show.
func smallWorld(l *lab) {
	vpc := l.vpc("10.0.0.0/16", tag("Name", "lab"))
	l.do("ModifyVpcAttribute", &wire.ModifyVpcAttributeRequest{VpcId: &vpc, EnableDnsHostnames: &wire.AttributeBooleanValue{Value: new(true)}})
	subnet := l.subnet(vpc, "10.0.1.0/24")
	igw := *call[wire.CreateInternetGatewayResult](l, "CreateInternetGateway", nil).InternetGateway.InternetGatewayId
	l.do("AttachInternetGateway", &wire.AttachInternetGatewayRequest{InternetGatewayId: &igw, VpcId: &vpc})
	table := *call[wire.CreateRouteTableResult](l, "CreateRouteTable", &wire.CreateRouteTableRequest{VpcId: &vpc}).RouteTable.RouteTableId
	l.do("CreateRoute", &wire.CreateRouteRequest{RouteTableId: &table, DestinationCidrBlock: new("0.0.0.0/0"), GatewayId: &igw})
	l.do("AssociateRouteTable", &wire.AssociateRouteTableRequest{RouteTableId: &table, SubnetId: &subnet})
	web := *call[wire.CreateSecurityGroupResult](l, "CreateSecurityGroup", &wire.CreateSecurityGroupRequest{VpcId: &vpc, GroupName: new("web"), Description: new("lets in 80")}).GroupId
	l.do("AuthorizeSecurityGroupIngress", &wire.AuthorizeSecurityGroupIngressRequest{GroupId: &web, IpProtocol: new("tcp"), FromPort: new(80), ToPort: new(80), CidrIp: new("0.0.0.0/0")})
	i := l.run(subnet, 1, func(in *wire.RunInstancesRequest) {
		in.SecurityGroupIds, in.PrivateIpAddress = []string{web}, new("10.0.1.10")
		in.BlockDeviceMappings = []wire.BlockDeviceMapping{{DeviceName: new("/dev/sdf"), Ebs: &wire.EbsBlockDevice{VolumeSize: new(2), VolumeType: new("gp3")}}}
		in.TagSpecifications = []wire.TagSpecification{{ResourceType: new("instance"), Tags: []wire.Tag{tag("Name", "web")}}}
	})
	l.observe(sim.StateRunning)
	a := call[wire.AllocateAddressResult](l, "AllocateAddress", nil)
	l.do("AssociateAddress", &wire.AssociateAddressRequest{AllocationId: a.AllocationId, InstanceId: i[0].InstanceId})
}

// raw returns an answer as it is on the wire.
func (l *lab) raw(action string) []byte {
	form := url.Values{"Action": {action}, "Version": {wire.APIVersion}}
	// Of each kind one resource is shown, as the order of ids is random.
	switch action {
	case "DescribeSecurityGroups":
		form["Filter.1.Name"], form["Filter.1.Value.1"] = []string{"group-name"}, []string{"web"}
	case "DescribeRouteTables":
		form["Filter.1.Name"], form["Filter.1.Value.1"] = []string{"route.gateway-id"}, []string{"igw-*"}
	}
	status, _, body := send(l, request(l, form.Encode(), nil))
	if status != http.StatusOK {
		l.t.Fatalf("%s: %d %s", action, status, body)
	}
	return []byte(body)
}

// elements returns the paths of all elements.
func elements(t *testing.T, doc []byte) map[string]bool {
	out := map[string]bool{}
	var path []string
	d := xml.NewDecoder(bytes.NewReader(doc))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			path = append(path, token.Name.Local)
			out[strings.Join(path, "/")] = true
		case xml.EndElement:
			path = path[:len(path)-1]
		}
	}
}

var (
	resourceID = regexp.MustCompile(`\b([a-z]+(?:-[a-z]+)*)-0[0-9a-f]{16}\b`)
	requestID  = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	mac        = regexp.MustCompile(`\b[0-9a-f]{2}(:[0-9a-f]{2}){5}\b`)
)

// indent writes a document with one element a line, without what is random in it.
func indent(t *testing.T, doc []byte) []byte {
	text := resourceID.ReplaceAllString(string(doc), "$1-ID")
	text = mac.ReplaceAllString(requestID.ReplaceAllString(text, "REQUEST-ID"), "MAC")
	var b bytes.Buffer
	depth, leaf := 0, false
	for _, part := range strings.SplitAfter(strings.ReplaceAll(text, "<", "\x00<"), "\x00") {
		part = strings.Trim(part, "\x00\n")
		switch {
		case part == "":
		case strings.HasPrefix(part, "</"):
			if depth--; !leaf {
				b.WriteString("\n" + strings.Repeat(" ", depth))
			}
			b.WriteString(part)
			leaf = false
		case strings.HasPrefix(part, "<?"):
			b.WriteString(part)
		default:
			b.WriteString("\n" + strings.Repeat(" ", depth) + part)
			depth, leaf = depth+1, true
		}
	}
	if depth != 0 {
		t.Fatalf("%d elements are open at the end of %s", depth, text)
	}
	b.WriteByte('\n')
	return b.Bytes()
}

func sortedKeys[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

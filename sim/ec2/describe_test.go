package ec2_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labsim/sim"
	"labsim/sim/ec2"
	"labsim/sim/ec2/wire"
)

func TestDescribeByIDsAndFilters(t *testing.T) {
	l := newLab(t, ec2.Options{})
	a := l.vpc("10.0.0.0/16", tag("Name", "a"), tag("stage", "test"))
	b := l.vpc("10.1.0.0/16", tag("Name", "b"), tag("empty", ""))
	c := l.vpc("10.2.0.0/16")
	names := map[string]string{a: "a", b: "b", c: "c"}
	tests := []struct {
		name    string
		ids     []string
		filters []wire.Filter
		want    []string
	}{
		{"all", nil, nil, []string{"a", "b", "c"}},
		{"ids", []string{c, a}, nil, []string{"a", "c"}},
		{"an id twice", []string{c, c}, nil, []string{"c"}},
		{"ids and a filter", []string{c, a}, []wire.Filter{filter("cidr", "10.2.*")}, []string{"c"}},
		{"values are alternatives", nil, []wire.Filter{filter("tag:Name", "b", "a")}, []string{"a", "b"}},
		{"filters are conditions", nil, []wire.Filter{filter("tag:Name", "b", "a"), filter("tag:stage", "*")}, []string{"a"}},
		{"an empty tag has a value", nil, []wire.Filter{filter("tag:empty", "")}, []string{"b"}},
		{"tag-key", nil, []wire.Filter{filter("tag-key", "st?ge", "empty")}, []string{"a", "b"}},
		{"a tag that none has", nil, []wire.Filter{filter("tag:nothing", "*")}, nil},
		{"what labsim never has", nil, []wire.Filter{filter("ipv6-cidr-block-association.state", "*")}, nil},
		{"case matters", nil, []wire.Filter{filter("tag:Name", "A")}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, v := range call[wire.DescribeVpcsResult](l, "DescribeVpcs", &wire.DescribeVpcsRequest{VpcIds: tt.ids, Filters: tt.filters}).Vpcs {
				got = append(got, names[*v.VpcId])
			}
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("VPCs (-want +got):\n%s", diff)
			}
		})
	}
	l.fails("InvalidVpcID.NotFound", "DescribeVpcs", &wire.DescribeVpcsRequest{VpcIds: []string{a, "vpc-00000000000000000"}})
	l.fails("InvalidInstanceID.Malformed", "DescribeInstances", &wire.DescribeInstancesRequest{InstanceIds: []string{"web"}})
	l.fails("InvalidParameterValue", "DescribeVpcs", &wire.DescribeVpcsRequest{Filters: []wire.Filter{filter("colour", "red")}})
	l.fails("MissingParameter", "DescribeVpcs", &wire.DescribeVpcsRequest{Filters: []wire.Filter{filter("cidr")}})
}

// Another account's rows don't exist, except public images.
func TestDescribeIsPerAccount(t *testing.T) {
	l := newLab(t, ec2.Options{Account: func(key string) (sim.AccountID, bool) { return sim.AccountID("00000000000" + key[:1]), true }})
	l.AccessKey = "1"
	vpc := l.vpc("10.0.0.0/16", tag("Name", "mine"))
	l.AccessKey = "2"
	l.fails("InvalidVpcID.NotFound", "DescribeVpcs", &wire.DescribeVpcsRequest{VpcIds: []string{vpc}})
	l.fails("InvalidVpcID.NotFound", "DeleteVpc", &wire.DeleteVpcRequest{VpcId: &vpc})
	if v := call[wire.DescribeVpcsResult](l, "DescribeVpcs", nil).Vpcs; len(v) != 0 {
		t.Errorf("the other account sees %d VPCs", len(v))
	}
	if tags := call[wire.DescribeTagsResult](l, "DescribeTags", nil).Tags; len(tags) != 0 {
		t.Errorf("the other account sees %d tags", len(tags))
	}
	for _, owners := range [][]string{nil, {"amazon"}, {string(sim.AmazonAccount)}} {
		if i := call[wire.DescribeImagesResult](l, "DescribeImages", &wire.DescribeImagesRequest{Owners: owners}).Images; len(i) != 1 || *i[0].ImageId != l.image {
			t.Errorf("images of %v: %d, want the built-in one", owners, len(i))
		}
	}
	if i := call[wire.DescribeImagesResult](l, "DescribeImages", &wire.DescribeImagesRequest{Owners: []string{"self"}}).Images; len(i) != 0 {
		t.Errorf("the account has %d images of its own", len(i))
	}
}

// The pages of a list are the list, each row once, also where rows come and go between them.
func TestPages(t *testing.T) {
	l := newLab(t, ec2.Options{})
	for n := range 12 {
		l.vpc(fmt.Sprintf("10.%d.0.0/16", n))
	}
	var want, got []string
	for _, v := range call[wire.DescribeVpcsResult](l, "DescribeVpcs", nil).Vpcs {
		want = append(want, *v.VpcId)
	}
	in := &wire.DescribeVpcsRequest{MaxResults: new(5)}
	for page := 0; ; page++ {
		out := call[wire.DescribeVpcsResult](l, "DescribeVpcs", in)
		for _, v := range out.Vpcs {
			got = append(got, *v.VpcId)
		}
		if page == 0 {
			l.do("DeleteVpc", &wire.DeleteVpcRequest{VpcId: &got[4]})
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pages against the list (-list +pages):\n%s", diff)
	}
	l.fails("InvalidParameterValue", "DescribeVpcs", &wire.DescribeVpcsRequest{MaxResults: new(4)})
	l.fails("InvalidParameterValue", "DescribeVpcs", &wire.DescribeVpcsRequest{MaxResults: new(1001)})
	l.fails("InvalidNextToken", "DescribeVpcs", &wire.DescribeVpcsRequest{NextToken: new("%%")})
	l.fails("InvalidParameterCombination", "DescribeInstances", &wire.DescribeInstancesRequest{MaxResults: new(5), InstanceIds: []string{"i-0123456789abcdef0"}})
}

// Each Describe answers an empty account with an empty list, and all of them
// know tag filters where their rows have tags.
func TestDescribeNothing(t *testing.T) {
	l := newLab(t, ec2.Options{})
	tagged := []wire.Filter{filter("tag:Name", "*"), filter("tag-key", "*")}
	for action, in := range map[string]any{
		"DescribeVpcs": &wire.DescribeVpcsRequest{Filters: tagged}, "DescribeSubnets": &wire.DescribeSubnetsRequest{Filters: tagged},
		"DescribeInternetGateways": &wire.DescribeInternetGatewaysRequest{Filters: tagged}, "DescribeRouteTables": &wire.DescribeRouteTablesRequest{Filters: tagged},
		"DescribeSecurityGroups": &wire.DescribeSecurityGroupsRequest{Filters: tagged}, "DescribeSecurityGroupRules": &wire.DescribeSecurityGroupRulesRequest{Filters: tagged},
		"DescribeKeyPairs": &wire.DescribeKeyPairsRequest{Filters: tagged}, "DescribeAddresses": &wire.DescribeAddressesRequest{Filters: tagged},
		"DescribeNetworkInterfaces": &wire.DescribeNetworkInterfacesRequest{Filters: tagged}, "DescribeInstances": &wire.DescribeInstancesRequest{Filters: tagged},
		"DescribeInstanceStatus": &wire.DescribeInstanceStatusRequest{Filters: tagged}, "DescribeVolumes": &wire.DescribeVolumesRequest{Filters: tagged},
		"DescribeImages": &wire.DescribeImagesRequest{Filters: tagged}, "DescribeTags": &wire.DescribeTagsRequest{},
	} {
		if err := l.Do(context.Background(), action, in, nil); err != nil {
			t.Errorf("%s: %v", action, err)
		}
	}
	if out := call[wire.DescribeVpcsResult](l, "DescribeVpcs", nil); out.Vpcs == nil {
		t.Error("the list of no VPCs is missing, not empty")
	}
}

func TestDescribeTags(t *testing.T) {
	l := newLab(t, ec2.Options{})
	vpc := l.vpc("10.0.0.0/16", tag("Name", "a"))
	subnet := l.subnet(vpc, "10.0.1.0/24")
	l.do("CreateTags", &wire.CreateTagsRequest{Resources: []string{vpc, subnet}, Tags: []wire.Tag{tag("stage", "test")}})
	l.do("DeleteTags", &wire.DeleteTagsRequest{Resources: []string{vpc}, Tags: []wire.Tag{{Key: new("Name")}}})
	tags := call[wire.DescribeTagsResult](l, "DescribeTags", &wire.DescribeTagsRequest{Filters: []wire.Filter{filter("key", "stage", "Name")}}).Tags
	want := []wire.TagDescription{
		{Key: new("stage"), ResourceId: &subnet, ResourceType: new("subnet"), Value: new("test")},
		{Key: new("stage"), ResourceId: &vpc, ResourceType: new("vpc"), Value: new("test")},
	}
	if diff := cmp.Diff(want, tags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
}

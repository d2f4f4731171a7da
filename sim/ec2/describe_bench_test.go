package ec2_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"labsim/sim"
	"labsim/sim/ec2"
	"labsim/sim/ec2/wire"
)

// Three filters over 400 instances that all of them let through, that one of them
// lets one through, and of which all look at what an instance's interface says.
func BenchmarkDescribeInstancesByFilters(b *testing.B) {
	l := newLab(b, ec2.Options{})
	vpc := l.vpc("10.0.0.0/16")
	for n := range 4 {
		l.run(l.subnet(vpc, fmt.Sprintf("10.0.%d.0/24", n)), 100, func(in *wire.RunInstancesRequest) {
			in.TagSpecifications = []wire.TagSpecification{{ResourceType: new("instance"), Tags: []wire.Tag{tag("Name", fmt.Sprint("web", n))}}}
		})
	}
	l.observe(sim.StateRunning)
	h := ec2.NewHandler(l.world, ec2.Options{})
	for _, bb := range []struct {
		name    string
		filters []wire.Filter
	}{
		{"all", []wire.Filter{filter("tag:Name", "web*"), filter("instance-state-name", "running"), filter("vpc-id", vpc)}},
		{"one", []wire.Filter{filter("private-ip-address", "10.0.3.50"), filter("instance-state-name", "running"), filter("vpc-id", vpc)}},
		{"none by tag", []wire.Filter{filter("tag:Name", "db"), filter("instance-state-name", "running"), filter("vpc-id", vpc)}},
		{"none by interface", []wire.Filter{filter("network-interface.status", "in-use"), filter("network-interface.vpc-id", vpc), filter("network-interface.group-name", "web")}},
	} {
		values := wire.EncodeQuery(&wire.DescribeInstancesRequest{Filters: bb.filters})
		params := url.Values{"Action": {"DescribeInstances"}, "Version": {wire.APIVersion}}.Encode() + "&" + values.Encode()
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				if h.ServeHTTP(w, request(l, params, nil)); w.Code != http.StatusOK {
					b.Fatal(w.Body)
				}
			}
		})
	}
}

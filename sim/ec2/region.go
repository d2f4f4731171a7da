package ec2

import (
	"slices"
	"strings"

	"labsim/sim"
	"labsim/sim/ec2/wire"
)

var regionFilters = filters[sim.Region]{
	"endpoint":      func(_ *call, r sim.Region) []string { return str(regionEndpoint(r)) },
	"opt-in-status": func(*call, sim.Region) []string { return []string{"opt-in-not-required"} },
	"region-name":   func(_ *call, r sim.Region) []string { return str(r) },
}

func describeRegions(c *call, in *wire.DescribeRegionsRequest) (*wire.DescribeRegionsResult, error) {
	match, err := compile(c, regionFilters, nil, in.Filters)
	if err != nil {
		return nil, err
	}
	r := c.opts.Region
	for _, name := range in.RegionNames {
		if name != string(r) {
			return nil, sim.Errorf(sim.CodeInvalidParameterValue, "Invalid region provided: %s; labsim is %s", name, r)
		}
	}
	out := &wire.DescribeRegionsResult{Regions: []wire.Region{}}
	if match(r) {
		out.Regions = append(out.Regions, wire.Region{RegionName: new(string(r)), Endpoint: new(regionEndpoint(r)), OptInStatus: new("opt-in-not-required")})
	}
	return out, nil
}

func regionEndpoint(r sim.Region) string { return "ec2." + string(r) + ".amazonaws.com" }

var zoneFilters = filters[sim.Zone]{
	"group-name":       func(_ *call, z sim.Zone) []string { return str(z.Region()) },
	"message":          never[sim.Zone],
	"opt-in-status":    func(*call, sim.Zone) []string { return []string{"opt-in-not-required"} },
	"parent-zoneID":    never[sim.Zone],
	"parent-zoneName":  never[sim.Zone],
	"parent-zone-id":   never[sim.Zone],
	"parent-zone-name": never[sim.Zone],
	"region-name":      func(_ *call, z sim.Zone) []string { return str(z.Region()) },
	"state":            func(*call, sim.Zone) []string { return []string{"available"} },
	"zone-id":          func(_ *call, z sim.Zone) []string { return str(zoneID(z)) },
	"zone-name":        func(_ *call, z sim.Zone) []string { return str(z) },
	"zone-type":        func(*call, sim.Zone) []string { return []string{"availability-zone"} },
}

func describeAvailabilityZones(c *call, in *wire.DescribeAvailabilityZonesRequest) (*wire.DescribeAvailabilityZonesResult, error) {
	match, err := compile(c, zoneFilters, nil, in.Filters)
	if err != nil {
		return nil, err
	}
	known := func(id func(sim.Zone) string, names []string) error {
		for _, name := range names {
			if !slices.ContainsFunc(c.opts.Zones, func(z sim.Zone) bool { return id(z) == name }) {
				return sim.Errorf(sim.CodeInvalidParameterValue, "Invalid availability zone: [%s]", name)
			}
		}
		return nil
	}
	if err := known(func(z sim.Zone) string { return string(z) }, in.ZoneNames); err != nil {
		return nil, err
	}
	if err := known(zoneID, in.ZoneIds); err != nil {
		return nil, err
	}
	out := &wire.DescribeAvailabilityZonesResult{AvailabilityZones: []wire.AvailabilityZone{}}
	for _, z := range c.opts.Zones {
		named := len(in.ZoneNames) == 0 || contains(in.ZoneNames, string(z))
		if named && (len(in.ZoneIds) == 0 || contains(in.ZoneIds, zoneID(z))) && match(z) {
			out.AvailabilityZones = append(out.AvailabilityZones, availabilityZone(z))
		}
	}
	return out, nil
}

func availabilityZone(z sim.Zone) wire.AvailabilityZone {
	r := string(z.Region())
	return wire.AvailabilityZone{ZoneName: new(string(z)), ZoneId: new(zoneID(z)), RegionName: new(r), GroupName: new(r), NetworkBorderGroup: new(r),
		State: new("available"), OptInStatus: new("opt-in-not-required"), ZoneType: new("availability-zone"), Messages: []wire.AvailabilityZoneMessage{}}
}

// zoneOf returns the zone that a request names, by its name or by its id.
func (c *call) zoneOf(name, id *string) sim.Zone {
	for _, z := range c.opts.Zones {
		if id != nil && zoneID(z) == *id {
			return z
		}
	}
	if name == nil {
		return sim.Zone(text(id)) // the world says that there is no such zone
	}
	return sim.Zone(*name)
}

// zoneID is the zone's id, the same in every account: us-east-1a is use1-az1,
// ap-northeast-2c is apne2-az3.
func zoneID(z sim.Zone) string {
	if len(z) < 2 {
		return ""
	}
	var b strings.Builder
	for n, part := range strings.Split(string(z.Region()), "-") {
		switch {
		case n == 0:
			b.WriteString(part)
		case len(part) > 5 && part[:5] == "north", len(part) > 5 && part[:5] == "south": // northeast, southwest
			b.WriteByte(part[0])
			b.WriteByte(part[5])
		default:
			b.WriteByte(part[0])
		}
	}
	return b.String() + "-az" + string(z[len(z)-1]-'a'+'1')
}

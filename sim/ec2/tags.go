package ec2

import (
	"iter"

	"labsim/sim"
	"labsim/sim/ec2/wire"
	"labsim/sim/world"
)

func createTags(c *call, in *wire.CreateTagsRequest) (*nothing, error) {
	var p parser
	args := world.CreateTags{Resources: in.Resources, Tags: p.tagList(nil, in.Tags)}
	if p.err != nil {
		return nil, p.err
	}
	return nil, c.tx.CreateTags(args)
}

func deleteTags(c *call, in *wire.DeleteTagsRequest) (*nothing, error) {
	args := world.DeleteTags{Resources: in.Resources}
	for _, t := range in.Tags {
		args.Tags = append(args.Tags, world.TagMatch{Key: text(t.Key), Value: t.Value})
	}
	return nil, c.tx.DeleteTags(args)
}

// tagRow is one tag of one resource.
type tagRow struct {
	kind, id string
	tag      sim.Tag
}

var tagFilters = filters[tagRow]{
	"key":           func(_ *call, t tagRow) []string { return str(t.tag.Key) },
	"resource-id":   func(_ *call, t tagRow) []string { return str(t.id) },
	"resource-type": func(_ *call, t tagRow) []string { return str(t.kind) },
	"value":         func(_ *call, t tagRow) []string { return []string{t.tag.Value} },
}

func describeTags(c *call, in *wire.DescribeTagsRequest) (*wire.DescribeTagsResult, error) {
	match, err := compile(c, tagFilters, func(t tagRow) sim.Tags { return sim.Tags{t.tag} }, in.Filters)
	if err != nil {
		return nil, err
	}
	rows := map[string]tagRow{}
	for t := range c.allTags() {
		if match(t) {
			rows[t.id+"\x00"+t.tag.Key] = t
		}
	}
	found, next, err := page{max: in.MaxResults, token: in.NextToken}.cut(sortedKeys(rows))
	return &wire.DescribeTagsResult{NextToken: next, Tags: convert(found, func(key string) wire.TagDescription {
		t := rows[key]
		return wire.TagDescription{ResourceId: &t.id, ResourceType: &t.kind, Key: &t.tag.Key, Value: &t.tag.Value}
	})}, err
}

// allTags yields the tags of the caller's resources.
func (c *call) allTags() iter.Seq[tagRow] {
	return func(yield func(tagRow) bool) {
		_ = vpcs.yieldTags(c, "vpc", yield) && subnets.yieldTags(c, "subnet", yield) && internetGateways.yieldTags(c, "internet-gateway", yield) &&
			routeTables.yieldTags(c, "route-table", yield) && securityGroups.yieldTags(c, "security-group", yield) && c.yieldRuleTags(yield) &&
			addresses.yieldTags(c, "elastic-ip", yield) && networkInterfaces.yieldTags(c, "network-interface", yield) &&
			keyPairs.yieldTags(c, "key-pair", yield) && images.yieldTags(c, "image", yield) &&
			instances.yieldTags(c, "instance", yield) && volumes.yieldTags(c, "volume", yield)
	}
}

func (res resource[K, R]) yieldTags(c *call, kind string, yield func(tagRow) bool) bool {
	for id, r := range res.table(c.State).All() {
		if res.owner(r) == c.account && !yieldAll(kind, string(id), res.tags(r), yield) {
			return false
		}
	}
	return true
}

func (c *call) yieldRuleTags(yield func(tagRow) bool) bool {
	for _, g := range c.SecurityGroups.All() {
		for _, r := range g.Rules {
			if g.Owner == c.account && !yieldAll("security-group-rule", string(r.ID), r.Tags, yield) {
				return false
			}
		}
	}
	return true
}

func yieldAll(kind, id string, tags sim.Tags, yield func(tagRow) bool) bool {
	for _, t := range tags {
		if !yield(tagRow{kind, id, t}) {
			return false
		}
	}
	return true
}

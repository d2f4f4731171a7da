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
	of  world.Tagged
	tag sim.Tag
}

var tagFilters = filters[tagRow]{
	"key":           func(_ *call, t tagRow) []string { return str(t.tag.Key) },
	"resource-id":   func(_ *call, t tagRow) []string { return str(t.of.ID) },
	"resource-type": func(_ *call, t tagRow) []string { return str(t.of.Type) },
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
			rows[t.of.ID+"\x00"+t.tag.Key] = t
		}
	}
	found, next, err := page{max: in.MaxResults, token: in.NextToken}.cut(sortedKeys(rows))
	return &wire.DescribeTagsResult{NextToken: next, Tags: convert(found, func(key string) wire.TagDescription {
		t := rows[key]
		return wire.TagDescription{ResourceId: &t.of.ID, ResourceType: &t.of.Type, Key: &t.tag.Key, Value: &t.tag.Value}
	})}, err
}

// allTags yields the tags of the caller's resources.
func (c *call) allTags() iter.Seq[tagRow] {
	return func(yield func(tagRow) bool) {
		for of := range c.Tagged {
			for _, t := range of.Tags {
				if of.Owner == c.account && !yield(tagRow{of, t}) {
					return
				}
			}
		}
	}
}

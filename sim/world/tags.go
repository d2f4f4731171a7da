package world

import (
	"slices"
	"strings"

	"labsim/sim"
)

// CreateTags adds or overwrites tags of resources (EC2 API, CreateTags).
type CreateTags struct {
	Resources []string
	Tags      sim.Tags
}

// CreateTags tags all the resources or none.
func (tx *Tx) CreateTags(in CreateTags) error {
	if len(in.Tags) == 0 {
		return missing("Tags")
	}
	add, err := newTags(in.Tags)
	if err != nil {
		return err
	}
	return tx.retag(in.Resources, func(t sim.Tags) (sim.Tags, error) {
		for _, x := range add {
			t = t.With(x.Key, x.Value)
		}
		if len(t) > sim.MaxTags {
			return nil, tooManyTags()
		}
		return t, nil
	})
}

// DeleteTags removes tags; with no Tags, all of them (EC2 API, DeleteTags).
type DeleteTags struct {
	Resources []string
	Tags      []TagMatch
}

// TagMatch names a tag by its key and, where Value is not nil, its value.
type TagMatch struct {
	Key   string
	Value *string
}

// DeleteTags removes what matches. A tag that a resource lacks is no error.
func (tx *Tx) DeleteTags(in DeleteTags) error {
	for _, m := range in.Tags {
		if err := sim.CheckTagKey(m.Key); err != nil {
			return err
		}
	}
	return tx.retag(in.Resources, func(t sim.Tags) (sim.Tags, error) {
		if len(in.Tags) == 0 {
			return nil, nil
		}
		for _, m := range in.Tags {
			if v, ok := t.Get(m.Key); ok && (m.Value == nil || *m.Value == v) {
				t = t.Without(m.Key)
			}
		}
		return t, nil
	})
}

// newTags returns the tags of a new resource, checked and sorted by key.
func newTags(in sim.Tags) (sim.Tags, error) {
	if len(in) == 0 {
		return nil, nil
	}
	if len(in) > sim.MaxTags {
		return nil, tooManyTags()
	}
	out := slices.Clone(in)
	slices.SortFunc(out, func(a, b sim.Tag) int { return strings.Compare(a.Key, b.Key) })
	for n, t := range out {
		if err := t.Check(); err != nil {
			return nil, err
		}
		if n > 0 && out[n-1].Key == t.Key {
			return nil, sim.Errorf(sim.CodeInvalidParameterValue, "Duplicate tag key '%s' specified.", t.Key)
		}
	}
	return out, nil
}

func tooManyTags() error {
	return sim.Errorf("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
}

type changeTags func(sim.Tags) (sim.Tags, error)

// retag changes the tags of resources of any kind.
func (tx *Tx) retag(ids []string, change changeTags) error {
	if len(ids) == 0 {
		return missing("ResourceIdSet")
	}
	for _, id := range ids {
		k, ok := taggableNamed(id)
		if !ok {
			return sim.Errorf("InvalidID", "The ID '%s' is not valid", id)
		}
		if err := k.retag(tx, id, change); err != nil {
			return err
		}
	}
	return nil
}

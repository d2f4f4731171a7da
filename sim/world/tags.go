package world

import (
	"labsim/sim"
)

// CreateTags adds or overwrites tags of resources (EC2 API, CreateTags).
type CreateTags struct {
	Resources []string
	Tags      sim.Tags
}

func (tx *Tx) CreateTags(in CreateTags) error { return errUnfinished }

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

func (tx *Tx) DeleteTags(in DeleteTags) error { return errUnfinished }

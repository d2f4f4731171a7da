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
		prefix, _, _ := strings.Cut(id, "-")
		retag, ok := taggable[prefix]
		if !ok {
			return sim.Errorf("InvalidID", "The ID '%s' is not valid", id)
		}
		if err := retag(tx, id, change); err != nil {
			return err
		}
	}
	return nil
}

// taggable are the kinds of resources that have tags, by the prefix of their ids.
var taggable = map[string]func(*Tx, string, changeTags) error{
	sim.PrefixVPC: retagRow((*Tx).vpc, func(s *State) *Table[sim.VPCID, sim.VPC] { return s.VPCs },
		func(v *sim.VPC) *sim.Tags { return &v.Tags }),
	sim.PrefixSubnet: retagRow((*Tx).subnet, func(s *State) *Table[sim.SubnetID, sim.Subnet] { return s.Subnets },
		func(n *sim.Subnet) *sim.Tags { return &n.Tags }),
	sim.PrefixInternetGateway: retagRow((*Tx).gateway, func(s *State) *Table[sim.InternetGatewayID, sim.InternetGateway] { return s.InternetGateways },
		func(g *sim.InternetGateway) *sim.Tags { return &g.Tags }),
	sim.PrefixRouteTable: retagRow((*Tx).routeTable, func(s *State) *Table[sim.RouteTableID, sim.RouteTable] { return s.RouteTables },
		func(t *sim.RouteTable) *sim.Tags { return &t.Tags }),
	sim.PrefixSecurityGroup: retagRow((*Tx).group, func(s *State) *Table[sim.SecurityGroupID, sim.SecurityGroup] { return s.SecurityGroups },
		func(g *sim.SecurityGroup) *sim.Tags { return &g.Tags }),
	sim.PrefixENI: retagRow((*Tx).eni, func(s *State) *Table[sim.ENIID, sim.ENI] { return s.ENIs },
		func(e *sim.ENI) *sim.Tags { return &e.Tags }),
	sim.PrefixAllocation: retagRow((*Tx).address, func(s *State) *Table[sim.AllocationID, sim.Address] { return s.Addresses },
		func(a *sim.Address) *sim.Tags { return &a.Tags }),
	sim.PrefixKeyPair: retagRow((*Tx).keyPair, func(s *State) *Table[sim.KeyPairID, sim.KeyPair] { return s.KeyPairs },
		func(k *sim.KeyPair) *sim.Tags { return &k.Tags }),
	sim.PrefixImage: retagRow((*Tx).ownImage, func(s *State) *Table[sim.ImageID, sim.Image] { return s.Images },
		func(i *sim.Image) *sim.Tags { return &i.Tags }),
	sim.PrefixInstance: retagRow((*Tx).instance, func(s *State) *Table[sim.InstanceID, sim.Instance] { return s.Instances },
		func(i *sim.Instance) *sim.Tags { return &i.Tags }),
	sim.PrefixVolume: retagRow((*Tx).volume, func(s *State) *Table[sim.VolumeID, sim.Volume] { return s.Volumes },
		func(v *sim.Volume) *sim.Tags { return &v.Tags }),
	sim.PrefixSecurityGroupRule: retagRule,
}

func retagRow[K ~string, V any](find func(*Tx, K) (V, error), rows func(*State) *Table[K, V], tags func(*V) *sim.Tags) func(*Tx, string, changeTags) error {
	return func(tx *Tx, id string, change changeTags) error {
		row, err := find(tx, K(id))
		if err != nil {
			return err
		}
		if *tags(&row), err = change(*tags(&row)); err != nil {
			return err
		}
		put(tx, rows(tx.State), K(id), row)
		return nil
	}
}

// retagRule changes the tags of a rule, which is a part of its group's row.
func retagRule(tx *Tx, id string, change changeTags) error {
	for _, g := range tx.SecurityGroups.All() {
		at := slices.IndexFunc(g.Rules, func(r sim.SecurityGroupRule) bool { return string(r.ID) == id })
		if at < 0 || !tx.owns(g.Owner) {
			continue
		}
		tags, err := change(g.Rules[at].Tags)
		if err != nil {
			return err
		}
		g.Rules = slices.Clone(g.Rules)
		g.Rules[at].Tags = tags
		put(tx, tx.SecurityGroups, g.ID, g)
		return nil
	}
	return kindRule.found(false, id)
}

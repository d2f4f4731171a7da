package lab

import (
	"context"

	"labsim/sim/ec2/wire"
	"labsim/sim/region"
)

// Empty lists all that stands in the account, with the volumes' data, to be
// deleted.
func Empty(ctx context.Context, api region.API) (*Removal, error) {
	seen, err := region.Observe(ctx, api)
	if err != nil {
		return nil, err
	}
	d := &remover{seen: seen}
	for _, a := range seen.Addresses {
		if a.AssociationId != nil {
			d.drop(region.ReleaseAddress(a))
		}
		d.drop(region.Delete("elastic-ip", wire.Value(a.AllocationId), a.Tags))
	}
	for _, v := range seen.VPCs {
		d.vpc(v)
	}
	for _, g := range seen.InternetGateways {
		if len(g.Attachments) == 0 {
			d.drop(region.Delete("internet-gateway", wire.Value(g.InternetGatewayId), g.Tags))
		}
	}
	for _, v := range seen.Volumes {
		d.drop(region.Delete("volume", wire.Value(v.VolumeId), v.Tags))
	}
	out := &Removal{}
	for _, k := range seen.KeyPairs {
		d.drop(region.Delete("key-pair", wire.Value(k.KeyName), k.Tags))
		out.Keys = append(out.Keys, wire.Value(k.KeyName))
	}
	out.Changes = Changes{List: d.list, lab: &Lab{}, acc: &account{}}
	return out, nil
}

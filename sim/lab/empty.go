package lab

import (
	"context"

	"labsim/sim/ec2/wire"
)

// Empty lists all that stands in the account, with the volumes' data, to be
// deleted.
func Empty(ctx context.Context, api API) (*Removal, error) {
	var vpcs wire.DescribeVpcsResult
	var gateways wire.DescribeInternetGatewaysResult
	var volumes wire.DescribeVolumesResult
	var keys wire.DescribeKeyPairsResult
	var addresses wire.DescribeAddressesResult
	if err := ask(ctx, api, query{"DescribeVpcs", nil, &vpcs}, query{"DescribeInternetGateways", nil, &gateways}, query{"DescribeVolumes", nil, &volumes},
		query{"DescribeKeyPairs", nil, &keys}, query{"DescribeAddresses", nil, &addresses}); err != nil {
		return nil, err
	}
	d := &remover{api: api}
	for _, a := range addresses.Addresses {
		if a.AssociationId != nil {
			d.add(Update, "elastic-ip", wire.Value(a.PublicIp), func(ctx context.Context, r *run) error {
				return r.do(ctx, "DisassociateAddress", &wire.DisassociateAddressRequest{AssociationId: a.AssociationId}, nil)
			})
		}
		d.drop("elastic-ip", wire.Value(a.AllocationId), a.Tags)
	}
	for _, v := range vpcs.Vpcs {
		if err := d.vpc(ctx, v); err != nil {
			return nil, err
		}
	}
	for _, g := range gateways.InternetGateways {
		if len(g.Attachments) == 0 {
			d.drop("internet-gateway", wire.Value(g.InternetGatewayId), g.Tags)
		}
	}
	for _, v := range livingVolumes(volumes.Volumes) {
		d.drop("volume", wire.Value(v.VolumeId), v.Tags)
	}
	out := &Removal{}
	for _, k := range keys.KeyPairs {
		d.drop("key-pair", wire.Value(k.KeyName), k.Tags)
		out.Keys = append(out.Keys, wire.Value(k.KeyName))
	}
	out.Changes = Changes{List: d.list, lab: &Lab{}, acc: &account{}}
	return out, nil
}

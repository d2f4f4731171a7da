package ec2

import (
	"cmp"
	"slices"

	"labsim/sim"
	"labsim/sim/ec2/wire"
	"labsim/sim/world"
)

// createKeyPair makes the keys before it asks for the world: an RSA key takes
// longer than all transactions may wait. labsim keeps the public half only.
func createKeyPair(c *call, in *wire.CreateKeyPairRequest) (*wire.KeyPair, error) {
	var p parser
	kind := cmp.Or(p.oneOf("keyType", in.KeyType, "rsa", "ed25519"), "rsa")
	tags := p.tags(in.TagSpecifications, "key-pair")
	if p.err != nil {
		return nil, p.err
	}
	key, err := newKey(kind)
	if err != nil {
		return nil, err
	}
	var k sim.KeyPair
	err = c.update(in, func() (err error) {
		k, err = c.tx.CreateKeyPair(world.CreateKeyPair{Name: text(in.KeyName), Type: kind, PublicKey: key.public, Fingerprint: key.fingerprint, Tags: tags})
		return err
	})
	return &wire.KeyPair{KeyPairId: new(string(k.ID)), KeyName: new(k.Name), KeyFingerprint: new(k.Fingerprint), KeyMaterial: &key.private, Tags: some(tagSet(k.Tags))}, err
}

func importKeyPair(c *call, in *wire.ImportKeyPairRequest) (*wire.ImportKeyPairResult, error) {
	var p parser
	tags := p.tags(in.TagSpecifications, "key-pair")
	if p.err != nil {
		return nil, p.err
	}
	key, err := importedKey(in.PublicKeyMaterial)
	if err != nil {
		return nil, err
	}
	k, err := c.tx.CreateKeyPair(world.CreateKeyPair{Name: text(in.KeyName), Type: key.kind, PublicKey: key.public, Fingerprint: key.fingerprint, Tags: tags})
	return &wire.ImportKeyPairResult{KeyPairId: new(string(k.ID)), KeyName: new(k.Name), KeyFingerprint: new(k.Fingerprint), Tags: some(tagSet(k.Tags))}, err
}

func deleteKeyPair(c *call, in *wire.DeleteKeyPairRequest) (*wire.DeleteKeyPairResult, error) {
	gone, err := c.tx.DeleteKeyPair(world.DeleteKeyPair{Name: text(in.KeyName), ID: id[sim.KeyPairID](in.KeyPairId)})
	return &wire.DeleteKeyPairResult{Return: new(true), KeyPairId: optional(gone)}, err
}

var keyPairs = resource[sim.KeyPairID, sim.KeyPair]{
	table: func(s *world.State) *world.Table[sim.KeyPairID, sim.KeyPair] { return s.KeyPairs },
	filters: filters[sim.KeyPair]{
		"key-pair-id": func(_ *call, k sim.KeyPair) []string { return str(k.ID) },
		"fingerprint": func(_ *call, k sim.KeyPair) []string { return str(k.Fingerprint) },
		"key-name":    func(_ *call, k sim.KeyPair) []string { return str(k.Name) },
	},
}

func describeKeyPairs(c *call, in *wire.DescribeKeyPairsRequest) (*wire.DescribeKeyPairsResult, error) {
	wanted := slices.Clone(in.KeyPairIds)
	for _, name := range in.KeyNames {
		k, ok := c.KeyPairNamed(c.account, name)
		if !ok {
			return nil, world.Missing(sim.PrefixKeyPair, name)
		}
		wanted = append(wanted, string(k.ID))
	}
	rows, _, err := keyPairs.find(c, query{ids: wanted, filters: in.Filters})
	return &wire.DescribeKeyPairsResult{KeyPairs: convert(rows, func(k sim.KeyPair) wire.KeyPairInfo {
		out := wire.KeyPairInfo{KeyPairId: new(string(k.ID)), KeyName: new(k.Name), KeyType: new(k.Type), KeyFingerprint: new(k.Fingerprint),
			CreateTime: optionalTime(k.CreateTime), Tags: tagSet(k.Tags)}
		if value(in.IncludePublicKey) {
			out.PublicKey = new(k.PublicKey)
		}
		return out
	})}, err
}

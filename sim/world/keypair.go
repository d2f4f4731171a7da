package world

import (
	"strings"

	"labsim/sim"
)

// CreateKeyPair records the public half of a key pair (EC2 API, CreateKeyPair
// and ImportKeyPair).
type CreateKeyPair struct {
	Name        string
	Type        string // rsa, ed25519
	PublicKey   string // authorized_keys form
	Fingerprint string
	Tags        sim.Tags
}

// CreateKeyPair keeps a public key under a name that is free in the account.
func (tx *Tx) CreateKeyPair(in CreateKeyPair) (sim.KeyPair, error) {
	switch {
	case in.Name == "":
		return sim.KeyPair{}, missing("KeyName")
	case len(in.Name) > maxKeyPairName:
		return sim.KeyPair{}, sim.Errorf(sim.CodeInvalidParameterValue, "Value (%s) for parameter keyName is invalid. The length exceeds the maximum of %d characters.", in.Name, maxKeyPairName)
	case !isKeyName(in.Name):
		return sim.KeyPair{}, sim.Errorf(sim.CodeInvalidParameterValue, "Value (%s) for parameter KeyName is invalid. Only printable ASCII characters are supported, and no spaces at its ends.", sim.Printable(in.Name))
	case in.PublicKey == "":
		return sim.KeyPair{}, sim.Errorf("InvalidKey.Format", "Key is not in valid OpenSSH public key format")
	case in.Type != "rsa" && in.Type != "ed25519":
		return sim.KeyPair{}, sim.Errorf(sim.CodeInvalidParameterValue, "Value (%s) for parameter keyType is invalid. Valid values: rsa, ed25519.", in.Type)
	}
	if _, taken := tx.KeyPairNamed(tx.Account, in.Name); taken {
		return sim.KeyPair{}, sim.Errorf("InvalidKeyPair.Duplicate", "The keypair already exists: '%s'", in.Name)
	}
	return add(tx, tx.KeyPairs, in.Tags, sim.KeyPair{Name: in.Name, Type: in.Type, Fingerprint: in.Fingerprint,
		PublicKey: in.PublicKey, CreateTime: tx.Now})
}

// isKeyName: EC2 API, CreateKeyPair, KeyName.
func isKeyName(s string) bool {
	return strings.TrimSpace(s) == s && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

func keyPairKey(owner sim.AccountID, name string) string { return string(owner) + "/" + name }

// DeleteKeyPair names a key pair by name or by id (EC2 API, DeleteKeyPair).
type DeleteKeyPair struct {
	Name string
	ID   sim.KeyPairID
}

// DeleteKeyPair returns the id of what it removed. A name that names nothing is
// no error, and "" is returned, as on EC2. Running instances keep the key.
func (tx *Tx) DeleteKeyPair(in DeleteKeyPair) (sim.KeyPairID, error) {
	if in.ID == "" && in.Name == "" {
		return "", missing("KeyName")
	}
	k, found := tx.KeyPairNamed(tx.Account, in.Name)
	if in.ID != "" {
		byID, err := get(tx, tx.KeyPairs, in.ID)
		if err != nil {
			return "", err
		}
		k, found = byID, true
	}
	if !found {
		return "", nil
	}
	remove(tx, tx.KeyPairs, k.ID)
	return k.ID, nil
}

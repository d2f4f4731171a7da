package world

import (
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

func (tx *Tx) CreateKeyPair(in CreateKeyPair) (out sim.KeyPair, err error) { return out, errUnfinished }

// DeleteKeyPair names a key pair by name or by id (EC2 API, DeleteKeyPair).
type DeleteKeyPair struct {
	Name string
	ID   sim.KeyPairID
}

func (tx *Tx) DeleteKeyPair(in DeleteKeyPair) (out sim.KeyPairID, err error) {
	return out, errUnfinished
}

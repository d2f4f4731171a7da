package world

import (
	"crypto/sha256"
	"encoding/hex"

	"labsim/sim"
)

// EnsureImage is an image that comes with labsim or was found on the engine.
// Its id derives from Owner and Name, so that it is the same everywhere.
type EnsureImage struct {
	Owner        sim.AccountID // "": AmazonAccount
	OwnerAlias   string
	Name         string
	Description  string
	Architecture string // "": x86_64
	Ref          string
	RootDevice   string // "": /dev/xvda
	Tags         sim.Tags
}

// EnsureImage makes the image, or brings its row up to date. Images of
// AmazonAccount may be launched by everyone.
func (tx *Tx) EnsureImage(in EnsureImage) (sim.Image, error) {
	if in.Owner == "" {
		in.Owner = sim.AmazonAccount
	}
	if in.Owner == sim.AmazonAccount {
		in.OwnerAlias = "amazon"
	}
	tags, err := newTags(in.Tags)
	if err != nil {
		return sim.Image{}, err
	}
	id := ImageID(in.Owner, in.Name)
	i := sim.Image{ID: id, Owner: in.Owner, OwnerAlias: in.OwnerAlias, Name: in.Name, Description: in.Description,
		Architecture: or(in.Architecture, "x86_64"), Public: in.Owner == sim.AmazonAccount, CreationDate: tx.Now,
		Ref: in.Ref, RootDevice: or(in.RootDevice, "/dev/xvda"), Tags: tags}
	if old, had := tx.Images.Get(id); had {
		i.CreationDate = old.CreationDate
	}
	put(tx, tx.Images, id, i)
	return i, nil
}

// ImageID returns the id of an image that EnsureImage makes.
func ImageID(owner sim.AccountID, name string) sim.ImageID {
	h := sha256.Sum256([]byte(string(owner) + "\x00" + name))
	return sim.ImageID(sim.PrefixImage + "-0" + hex.EncodeToString(h[:8]))
}

func or(s, instead string) string {
	if s == "" {
		return instead
	}
	return s
}

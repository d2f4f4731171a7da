package world

import (
	"labsim/sim"
)

// EnsureImage is an image that comes with labsim or was found on the engine.
// Its id derives from Owner and Name, so that it is the same everywhere.
type EnsureImage struct {
	Owner        sim.AccountID
	OwnerAlias   string
	Name         string
	Description  string
	Architecture string
	Ref          string
	RootDevice   string
	Tags         sim.Tags
}

func (tx *Tx) EnsureImage(in EnsureImage) (out sim.Image, err error) { return out, errUnfinished }

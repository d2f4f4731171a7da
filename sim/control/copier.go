package control

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"time"

	"labsim/sim"
	"labsim/sim/world"
)

// copyEvery is how old the copy of a state becomes that has changed.
const copyEvery = time.Hour

// copyPause is the least time between a change and its copy; tests have less.
var copyPause = 5 * time.Second

// copier keeps a good copy of the state: of the one that control began with, one
// of the last hour, and one since the last instance, volume or network came or
// went, as a copy that does not know what stands would destroy it.
type copier struct {
	world *world.World
	copy  func() error
	log   *slog.Logger

	taken   time.Time
	version world.Version
	stands  [sha256.Size]byte
}

func (k *copier) run(ctx context.Context) {
	pause := time.Duration(0) // the first is made at once
	for {
		changed := k.world.Changed()
		if s := k.world.View(); k.due(s) {
			k.take(s)
		}
		await(ctx, copyEvery, changed, nil)
		if !sleep(ctx, pause) {
			return
		}
		pause = copyPause
	}
}

// due reports whether the copy says too little of s. A region that knows of nothing
// has nothing that is worth a copy: it would take the place of one that has.
func (k *copier) due(s *world.State) bool {
	if !s.Begun() || s.Version == k.version {
		return false
	}
	stands := whatStands(s)
	return stands != nothing && (stands != k.stands || time.Since(k.taken) >= copyEvery)
}

func (k *copier) take(s *world.State) {
	if err := k.copy(); err != nil {
		k.log.Warn("the state can't be copied", "error", err)
		return // tried again at the next change
	}
	k.taken, k.version, k.stands = time.Now(), s.Version, whatStands(s)
}

var nothing = sha256.Sum256(nil)

// whatStands sums up what would be destroyed for want of a record.
func whatStands(s *world.State) (sum [sha256.Size]byte) {
	h := sha256.New()
	for id := range s.VPCs.All() {
		h.Write([]byte(id))
	}
	for id := range s.Subnets.All() {
		h.Write([]byte(id))
	}
	for id, i := range s.Instances.All() {
		if i.Status.State != sim.StateTerminated {
			h.Write([]byte(id))
		}
	}
	for id := range s.Volumes.All() {
		h.Write([]byte(id))
	}
	h.Sum(sum[:0])
	return sum
}

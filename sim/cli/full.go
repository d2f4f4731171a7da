package cli

import (
	"context"
	"errors"
	"io/fs"
	"runtime"
	"syscall"

	"labsim/sim"
	"labsim/sim/engine/docker"
)

// full explains an error that comes from a full disk: one of this machine, whose
// file it names, or the engine's. nil: it comes from something else.
func full(err error) *sim.Failure {
	var at *fs.PathError
	switch {
	case isFull(err) && errors.As(err, &at):
		return &sim.Failure{What: sim.T("there is no space left on the disk of %s", at.Path),
			Next: []sim.Text{sim.T("free some space there, and repeat the command: it goes on from what was made")}}
	case sim.SaysNoSpace(err.Error()):
		return docker.Full(err)
	}
	return nil
}

// isFull: what the engine and its processes meet arrives as text, so an errno is
// of this machine.
func isFull(err error) bool {
	const diskFull, handleDiskFull = syscall.Errno(112), syscall.Errno(39) // of Windows
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) ||
		runtime.GOOS == "windows" && (errors.Is(err, diskFull) || errors.Is(err, handleDiskFull))
}

// full is the failure of a site whose engine has no space for a resource, or for
// any (""): however long one waits, that does not mend itself.
func (s boxStatus) full(resource string) error {
	for _, p := range s.Problems {
		if (resource == "" || p.Resource == resource) && sim.SaysNoSpace(p.Message) {
			return docker.Full(errors.New(p.Message))
		}
	}
	return nil
}

// fullNow is full of what the box reports now: what else went wrong follows from it.
func (b *box) fullNow(ctx context.Context) (f error) {
	_ = b.watch(ctx, func(s boxStatus) (bool, error) { f = s.full(""); return true, nil })
	return f
}

// sayShort says why no instance starts, and which one to look at.
func (a *app) sayShort(r sim.Room) {
	a.errorln(sim.T("the engine's disk has %d MiB left, less than the %d MiB that labsim keeps free for what runs: no instance starts", r.Free>>20, r.Reserve()>>20))
	if r.Largest != "" {
		a.errorln(sim.T("the root disk of %s has grown most: %d MiB", string(r.Largest), r.Grown>>20))
	}
	a.errorln(sim.T("delete files or terminate an instance, or free space on the engine's machine: %s", docker.PruneCommand))
}

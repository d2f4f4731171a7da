package agent

import (
	"context"
	"errors"
	"fmt"

	"labsim/sim"
)

func (a *Agent) volumeHooks() map[string]hook {
	return map[string]hook{
		"VolumeDriver.Create":  on(a.createVolume),
		"VolumeDriver.Remove":  on(a.removeVolume),
		"VolumeDriver.Mount":   on(a.mountVolume),
		"VolumeDriver.Unmount": on(a.unmountVolume),
		"VolumeDriver.Path":    on(a.volumePath),
		"VolumeDriver.Get":     on(a.getVolume),
		"VolumeDriver.List":    on(a.listVolumes),
	}
}

type createVolume struct {
	Name string
	Opts map[string]string
}

// createVolume gives a name to a volume that control has made.
func (a *Agent) createVolume(_ context.Context, in createVolume) (any, error) {
	v := volume{ID: sim.VolumeID(in.Opts[sim.OptVolume])}
	switch {
	case in.Opts[sim.OptKind] == kindGuest:
		v = volume{Guest: true}
	case !a.held().hasVolume(v.ID):
		return nil, fmt.Errorf("%q is not a volume that labsim made: volumes of labsim are made by `labsim up` and the EC2 API", v.ID)
	}
	if old, ok := a.records.volume(in.Name); ok && (old.ID != v.ID || old.Guest != v.Guest) {
		return nil, fmt.Errorf("the name %s belongs to %s", in.Name, old)
	}
	return nil, a.records.update(func(r *record) {
		if _, ok := r.Volumes[in.Name]; !ok {
			r.Volumes[in.Name] = v
		}
	})
}

const kindGuest = "guest"

type volumeRef struct{ Name, ID string }

// removeVolume forgets the name. The data dies by a config with Delete only.
func (a *Agent) removeVolume(_ context.Context, in volumeRef) (any, error) {
	v, ok := a.records.volume(in.Name)
	if !ok {
		return nil, nil
	}
	// The engine removes what no container uses, so a user that is left is one
	// whose end it did not tell.
	if err := a.unmount(v); err != nil {
		return nil, err
	}
	err := a.records.update(func(r *record) { delete(r.Volumes, in.Name) })
	a.changed()
	return nil, err
}

func (a *Agent) mountVolume(_ context.Context, in volumeRef) (any, error) {
	v, ok := a.records.volume(in.Name)
	if !ok {
		return nil, fmt.Errorf("labsim doesn't know the volume %s", in.Name)
	}
	path, err := a.mount(v)
	if err != nil {
		return nil, err
	}
	if err := a.engine.propagates(a.mounts); err != nil {
		return nil, a.startAgain(fmt.Errorf("volume %s: %w", in.Name, err))
	}
	// Written down after the mount: a crash in between leaves a mount without a
	// user, which the next start takes away.
	err = a.records.update(func(r *record) { r.use(in.Name, in.ID) })
	a.changed()
	return object{"Mountpoint": path}, err
}

func (a *Agent) mount(v volume) (string, error) {
	if !v.Guest {
		return a.volumes.Mount(v.ID)
	}
	if err := a.guests.open(); err != nil {
		return "", err
	}
	return a.guestMount.mount()
}

func (a *Agent) unmountVolume(_ context.Context, in volumeRef) (any, error) {
	left := 0
	if err := a.records.update(func(r *record) { left = r.unuse(in.Name, in.ID) }); err != nil {
		return nil, err
	}
	v, ok := a.records.volume(in.Name)
	if !ok || left > 0 {
		return nil, nil
	}
	err := a.unmount(v)
	a.changed()
	return nil, err
}

// unmount leaves the guest volume mounted: every instance has it, and it costs nothing.
func (a *Agent) unmount(v volume) error {
	if v.Guest {
		return nil
	}
	return a.volumes.Unmount(v.ID)
}

func (a *Agent) volumePath(_ context.Context, in volumeRef) (any, error) {
	v, ok := a.records.volume(in.Name)
	if !ok {
		return nil, noVolume(in.Name)
	}
	return object{"Mountpoint": a.pathOf(v)}, nil
}

func (a *Agent) pathOf(v volume) string {
	if v.Guest {
		return a.guestMount.path()
	}
	return a.volumes.Path(v.ID)
}

func (a *Agent) getVolume(_ context.Context, in volumeRef) (any, error) {
	v, ok := a.records.volume(in.Name)
	if !ok {
		return nil, noVolume(in.Name)
	}
	return object{"Volume": describeVolume(in.Name, v, a.pathOf(v))}, nil
}

func (a *Agent) listVolumes(context.Context, struct{}) (any, error) {
	all, paths := []any{}, a.volumes.Paths()
	for name, v := range a.records.volumes() {
		path := paths[v.ID]
		if v.Guest {
			path = a.guestMount.path()
		}
		all = append(all, describeVolume(name, v, path))
	}
	return object{"Volumes": all}, nil
}

func describeVolume(name string, v volume, path string) object {
	return object{"Name": name, "Mountpoint": path, "Status": object{"volume": v.String()}}
}

// errNoVolume is what Docker gets to hear before each creation.
var errNoVolume = errors.New("no such volume")

func noVolume(name string) error { return fmt.Errorf("%w: %s", errNoVolume, name) }

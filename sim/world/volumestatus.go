package world

import "labsim/sim"

// VolumeObservation is what the reconciler saw of a volume.
type VolumeObservation struct {
	Ready bool
	Error string
}

// ObserveVolume says whether a volume's file and the engine's volume stand.
func (tx *Tx) ObserveVolume(id sim.VolumeID, o VolumeObservation) error {
	if v, ok := tx.Volumes.Get(id); ok {
		v.Status.Ready, v.Status.Error = o.Ready, o.Error
		put(tx, tx.Volumes, id, v)
	}
	return nil
}

// VolumeGone says that nothing stands of a volume. One that was to be deleted
// is forgotten; one that was not has lost its data, which EC2 calls an error.
func (tx *Tx) VolumeGone(id sim.VolumeID) error {
	v, ok := tx.Volumes.Get(id)
	switch {
	case !ok:
	case v.Status.Deleting:
		remove(tx, tx.Volumes, id)
	default:
		return tx.ObserveVolume(id, VolumeObservation{Error: "The data of this volume was removed outside of EC2."})
	}
	return nil
}

// AdoptVolume is a volume whose file outlived its record.
type AdoptVolume struct {
	ID      sim.VolumeID
	Account sim.AccountID
	Zone    sim.Zone
	Size    int
	Type    string
	Tags    sim.Tags // labsim:lab and Name included
}

// AdoptVolume gives the file a record under its old id. A volume that has a
// record stays as it is.
func (tx *Tx) AdoptVolume(in AdoptVolume) (sim.Volume, error) {
	if v, ok := tx.Volumes.Get(in.ID); ok {
		return v, nil
	}
	if !sim.ValidID(sim.PrefixVolume, string(in.ID)) {
		return sim.Volume{}, volumes.found(false, string(in.ID))
	}
	tags, err := newTags(in.Tags)
	if err != nil {
		return sim.Volume{}, err
	}
	t, _ := volumeTypeNamed(in.Type)
	v := sim.Volume{ID: in.ID, Owner: in.Account, Zone: in.Zone, Size: in.Size, Type: in.Type, Throughput: t.throughput, CreateTime: tx.Now, Tags: tags}
	if t.iops != nil {
		v.IOPS = t.iops(v.Size)
	}
	put(tx, tx.Volumes, v.ID, v)
	return v, nil
}

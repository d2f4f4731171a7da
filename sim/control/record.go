package control

import (
	"errors"
	"time"

	"labsim/sim"
	"labsim/sim/plan"
	"labsim/sim/world"
)

// record writes down what was seen, except of objects on which a step is at
// work: what it will leave is not known yet. It returns when to try again.
func (r *reconciler) record(o *observation, facts []plan.Fact) (again time.Time) {
	var certain []plan.Fact
	for _, f := range facts {
		if !o.dirty[f.Of()] {
			certain = append(certain, f)
		}
	}
	if len(certain) == 0 {
		r.succeeded(recording)
		return time.Time{}
	}
	err := r.world.Update(func(tx *world.Tx) error {
		for _, f := range certain {
			// One that the world refuses must not keep the others out.
			if err := write(tx, f); err != nil {
				r.log.Warn("the world refused what was seen", "resource", f.Of(), "error", err)
			}
		}
		return nil
	})
	if err != nil {
		return time.Now().Add(r.retry(recording, err))
	}
	r.succeeded(recording)
	return time.Time{}
}

func write(tx *world.Tx, f plan.Fact) error {
	switch f := f.(type) {
	case plan.SubnetSeen:
		return tx.ObserveSubnet(f.ID, f.Ready)
	case plan.VolumeSeen:
		return tx.ObserveVolume(f.ID, f.Seen)
	case plan.VolumeGone:
		return tx.VolumeGone(f.ID)
	case plan.VolumeFound:
		_, err := tx.AdoptVolume(f.Volume)
		return err
	case plan.InstanceSeen:
		return tx.ObserveInstance(f.ID, f.Seen)
	}
	return errors.New("a fact of no known kind")
}

// noteError keeps an instance's failure where its owner sees it.
func (r *reconciler) noteError(x plan.Step, err error) {
	switch x.Kind {
	case plan.StartInstance, plan.StopInstance, plan.RebootInstance, plan.RemoveInstance:
	default:
		return
	}
	id := sim.InstanceID(x.Resource)
	uerr := r.world.Update(func(tx *world.Tx) error {
		i, ok := tx.Instances.Get(id)
		if !ok {
			return nil
		}
		return tx.ObserveInstance(id, world.Observation{Boot: i.Status.Boot, Error: err.Error()})
	})
	if uerr != nil {
		r.log.Error("an instance's error could not be recorded", "error", uerr)
	}
}

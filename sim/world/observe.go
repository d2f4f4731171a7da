package world

import (
	"net/netip"
	"time"

	"labsim/sim"
)

// Observations come from the reconciler, which sees the machine level by level:
// it may say the same thing many times, or too late. What no longer fits the
// state, or is about a row that is gone, changes nothing and is no error.

// settingBegun is notYet in a new region until Begin; settingSite is what BelongTo said.
const (
	settingBegun = "begun"
	notYet       = "not yet"
	settingSite  = "site"
)

// BelongTo says whose state it is, for as long as there is one. That of a build which
// did not say it belongs to whoever opens it first.
func (tx *Tx) BelongTo(site sim.Site) {
	if tx.Site() == "" {
		put(tx, tx.Settings, settingSite, Setting{Value: string(site)})
	}
}

// LookFirst marks a new region as one that has not begun.
func (tx *Tx) LookFirst() { put(tx, tx.Settings, settingBegun, Setting{Value: notYet}) }

// Begin says that nothing stands which the region does not know.
func (tx *Tx) Begin() error {
	remove(tx, tx.Settings, settingBegun)
	return nil
}

// ObserveSubnet says whether the engine's network of a subnet stands.
func (tx *Tx) ObserveSubnet(id sim.SubnetID, ready bool) error {
	if n, ok := tx.Subnets.Get(id); ok {
		n.Status.Ready = ready
		put(tx, tx.Subnets, id, n)
	}
	return nil
}

// Observation is what the reconciler saw of an instance.
type Observation struct {
	// State is what the engine shows: pending or "" (nothing new), running,
	// stopping (the guest shuts itself down), stopped, terminated (its
	// container is gone). It leads to a transition only where that is legal.
	State    sim.InstanceState
	Boot     int             // the Boot that this is about
	Run      string          // the engine's life in which it runs; "": not known now
	Error    string          // why the last try failed; "" clears it
	Ready    bool            // the user data of this Boot has ended
	HostKeys []string        // nil: not known now
	Reason   sim.StateReason // zero: the usual one of the transition
}

// ObserveInstance moves an instance on along its life. An older Boot than the
// one asked for says nothing about the instance's own wish: its container is
// about to be started again.
func (tx *Tx) ObserveInstance(id sim.InstanceID, o Observation) error {
	i, ok := tx.Instances.Get(id)
	if !ok || i.Status.State == sim.StateTerminated {
		return nil
	}
	i.Status.Error = o.Error
	if o.Ready {
		i.Status.ReadyBoot = max(i.Status.ReadyBoot, o.Boot)
	}
	if o.HostKeys != nil {
		i.Status.HostKeys = o.HostKeys
	}
	if o.Run != "" {
		i.Status.Run = o.Run
	}
	i.Status.Boot = max(i.Status.Boot, o.Boot)
	switch current := o.Boot >= i.Boot; o.State {
	case sim.StateRunning:
		if current && i.Status.State == sim.StatePending {
			tx.transit(&i, sim.StateRunning, o.Reason)
		}
	case sim.StateStopping:
		if current {
			tx.guestShutdown(&i, o.Reason)
		}
	case sim.StateStopped:
		if current {
			tx.guestShutdown(&i, o.Reason)
		}
		if i.Status.State == sim.StateStopping {
			tx.transit(&i, sim.StateStopped, i.Status.Reason)
			tx.releasePublicIPs(i.ID)
		}
	case sim.StateTerminated:
		tx.containerGone(&i, o.Reason)
	}
	put(tx, tx.Instances, id, i)
	return nil
}

// guestShutdown is a shutdown that nobody asked EC2 for.
func (tx *Tx) guestShutdown(i *sim.Instance, why sim.StateReason) {
	if i.Status.State != sim.StateRunning && i.Status.State != sim.StatePending {
		return
	}
	why = reasonOr(why, reasonGuest)
	if i.ShutdownAction == sim.ShutdownTerminate {
		i.Desired = sim.DesiredTerminated
		tx.transit(i, sim.StateShuttingDown, why)
		return
	}
	i.Desired = sim.DesiredStopped
	tx.transit(i, sim.StateStopping, why)
}

// containerGone ends an instance. Where nobody asked for it, its volumes stay,
// whatever DeleteOnTermination says: data dies only when its owner says so.
func (tx *Tx) containerGone(i *sim.Instance, why sim.StateReason) {
	asked := i.Desired == sim.DesiredTerminated
	neverRan := i.Status.Boot == 0
	switch {
	case asked:
		why = reasonOr(why, i.Status.Reason)
	case neverRan && why.Code == "":
		return // its container is still to be made
	default:
		why = reasonOr(why, reasonGone)
	}
	for _, d := range i.BlockDevices {
		if v, ok := tx.Volumes.Get(d.Volume); ok && asked && d.DeleteOnTermination {
			v.Status.Deleting = true
			put(tx, tx.Volumes, v.ID, v)
		}
	}
	tx.releasePublicIPs(i.ID)
	for _, e := range tx.enisOf(i.ID) {
		if e.Attachment.DeleteOnTermination {
			tx.dropENI(e)
			continue
		}
		e.Attachment = sim.ENIAttachment{}
		put(tx, tx.ENIs, e.ID, e)
	}
	i.Desired, i.BlockDevices, i.Status.TerminatedSince = sim.DesiredTerminated, nil, tx.Now
	tx.transit(i, sim.StateTerminated, why)
}

// releasePublicIPs gives the automatic public addresses of an instance back;
// Elastic IP addresses stay.
func (tx *Tx) releasePublicIPs(id sim.InstanceID) {
	for _, e := range tx.enisOf(id) {
		if e.Allocation == "" {
			e.PublicIP = netip.Addr{}
			put(tx, tx.ENIs, e.ID, e)
		}
	}
}

// enisOf collects the interfaces first: the index must not change under a loop.
func (tx *Tx) enisOf(id sim.InstanceID) []sim.ENI {
	var out []sim.ENI
	for _, e := range tx.ENIsOfInstance(id) {
		out = append(out, e)
	}
	return out
}

func reasonOr(why, usual sim.StateReason) sim.StateReason {
	if why.Code == "" {
		return usual
	}
	return why
}

// PurgeTerminated forgets instances that were terminated before a time, and
// client tokens of what is gone. EC2 shows a terminated instance for about an hour.
func (tx *Tx) PurgeTerminated(before time.Time) error {
	var gone []sim.InstanceID
	for id, i := range tx.Instances.All() {
		if i.Status.State == sim.StateTerminated && i.Status.TerminatedSince.Before(before) {
			gone = append(gone, id)
		}
	}
	for _, id := range gone {
		remove(tx, tx.Instances, id)
	}
	tx.purgeTokens(tx.Now.Add(-tokenLife))
	return nil
}

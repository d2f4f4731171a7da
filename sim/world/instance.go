package world

import (
	"slices"
	"strings"

	"labsim/sim"
)

// StateChange is what a call did to an instance.
type StateChange struct {
	ID                sim.InstanceID
	Previous, Current sim.InstanceState
}

// Reasons of transitions (EC2 API, StateReason).
var (
	reasonUser  = sim.StateReason{Code: "Client.UserInitiatedShutdown", Message: "Client.UserInitiatedShutdown: User initiated shutdown"}
	reasonGuest = sim.StateReason{Code: "Client.InstanceInitiatedShutdown", Message: "Client.InstanceInitiatedShutdown: Instance initiated shutdown"}
	reasonGone  = sim.StateReason{Code: "Server.InternalError", Message: "Server.InternalError: The instance was removed outside of EC2"}
)

// StartInstances starts stopped instances. Those that run already stay as they are.
func (tx *Tx) StartInstances(ids []sim.InstanceID) ([]StateChange, error) {
	return tx.eachInstance(ids, func(i *sim.Instance) error {
		switch i.Status.State {
		case sim.StatePending, sim.StateRunning:
			return nil
		case sim.StateStopped:
			return tx.start(i)
		}
		return wrongState(i.ID, "started")
	})
}

func (tx *Tx) start(i *sim.Instance) error {
	if err := tx.checkCapacity(); err != nil {
		return err
	}
	i.Desired, i.LaunchTime = sim.DesiredRunning, tx.Now
	i.Boot++
	i.Status.Error = ""
	tx.transit(i, sim.StatePending, sim.StateReason{})
	for _, e := range tx.enisOf(i.ID) {
		e, err := tx.givePublicIP(e)
		if err != nil {
			return err
		}
		put(tx, tx.ENIs, e.ID, e)
	}
	return nil
}

// StopInstances asks instances to stop (EC2 API, StopInstances).
type StopInstances struct {
	IDs   []sim.InstanceID
	Force bool // accepted; a guest that doesn't shut down in time is stopped anyway
}

// StopInstances stops running instances. Those that are stopped stay as they are.
func (tx *Tx) StopInstances(in StopInstances) ([]StateChange, error) {
	return tx.eachInstance(in.IDs, func(i *sim.Instance) error {
		switch i.Status.State {
		case sim.StateStopping, sim.StateStopped:
			return nil
		case sim.StateRunning:
			i.Desired = sim.DesiredStopped
			tx.transit(i, sim.StateStopping, reasonUser)
			return nil
		}
		return wrongState(i.ID, "stopped")
	})
}

// RebootInstances asks running instances to reboot; their state doesn't change.
func (tx *Tx) RebootInstances(ids []sim.InstanceID) error {
	_, err := tx.eachInstance(ids, func(i *sim.Instance) error {
		if i.Status.State != sim.StateRunning {
			return wrongState(i.ID, "rebooted")
		}
		i.Boot++
		return nil
	})
	return err
}

// TerminateInstances ends instances, whatever their state is.
func (tx *Tx) TerminateInstances(ids []sim.InstanceID) ([]StateChange, error) {
	return tx.eachInstance(ids, func(i *sim.Instance) error {
		if i.Status.State == sim.StateTerminated {
			return nil
		}
		i.Desired = sim.DesiredTerminated
		if i.Status.State != sim.StateShuttingDown {
			tx.transit(i, sim.StateShuttingDown, reasonUser)
		}
		return nil
	})
}

// eachInstance changes instances one by one; all of them must exist, and an
// error at one changes none, as the transaction is dropped.
func (tx *Tx) eachInstance(ids []sim.InstanceID, change func(*sim.Instance) error) ([]StateChange, error) {
	if len(ids) == 0 {
		return nil, missing("InstanceId")
	}
	if err := tx.allExist(ids); err != nil {
		return nil, err
	}
	var out []StateChange
	for n, id := range ids {
		if slices.Contains(ids[:n], id) {
			continue
		}
		i := tx.Instances.Row(id)
		before := i.Status.State
		if err := change(&i); err != nil {
			return nil, err
		}
		put(tx, tx.Instances, id, i)
		out = append(out, StateChange{ID: id, Previous: before, Current: i.Status.State})
	}
	return out, nil
}

func (tx *Tx) allExist(ids []sim.InstanceID) error {
	var absent []string
	var first error
	for _, id := range ids {
		_, err := get(tx, tx.Instances, id)
		if err != nil && first == nil {
			first = err
		}
		if sim.ErrorCode(err) == instances.missing {
			absent = append(absent, string(id))
		}
	}
	if len(absent) > 1 {
		return sim.Errorf(instances.missing, "The instance IDs '%s' do not exist", strings.Join(absent, ", "))
	}
	return first
}

// transit puts an instance into another state.
func (tx *Tx) transit(i *sim.Instance, s sim.InstanceState, why sim.StateReason) {
	i.Status.State, i.Status.Reason, i.Status.TransitionTime = s, why, tx.Now
}

func wrongState(id sim.InstanceID, done string) error {
	return sim.Errorf(sim.CodeIncorrectInstanceState, "The instance '%s' is not in a state from which it can be %s.", id, done)
}

// ModifyInstanceAttribute changes what is not nil (EC2 API, ModifyInstanceAttribute).
type ModifyInstanceAttribute struct {
	Instance            sim.InstanceID
	SecurityGroups      []sim.SecurityGroupID
	SourceDestCheck     *bool
	UserData            *[]byte
	Type                *string
	ShutdownAction      *sim.ShutdownAction
	DeleteOnTermination map[string]bool // by device name
}

// ModifyInstanceAttribute changes an instance; its user data and type only
// while it is stopped.
func (tx *Tx) ModifyInstanceAttribute(in ModifyInstanceAttribute) error {
	i, err := get(tx, tx.Instances, in.Instance)
	if err != nil {
		return err
	}
	if err := checkModify(i, in); err != nil {
		return err
	}
	if in.SecurityGroups != nil || in.SourceDestCheck != nil {
		e, err := tx.soleENI(i.ID)
		if err != nil {
			return err
		}
		change := ModifyNetworkInterfaceAttribute{ENI: e.ID, SecurityGroups: in.SecurityGroups, SourceDestCheck: in.SourceDestCheck}
		if err := tx.ModifyNetworkInterfaceAttribute(change); err != nil {
			return err
		}
	}
	set(&i.UserData, in.UserData)
	set(&i.Type, in.Type)
	set(&i.ShutdownAction, in.ShutdownAction)
	i.BlockDevices = slices.Clone(i.BlockDevices)
	for device, gone := range in.DeleteOnTermination {
		at := slices.IndexFunc(i.BlockDevices, func(d sim.BlockDevice) bool { return d.Device == device })
		if at < 0 {
			return sim.Errorf("InvalidInstanceAttributeValue", "No device is currently mapped at %s", device)
		}
		i.BlockDevices[at].DeleteOnTermination = gone
	}
	put(tx, tx.Instances, i.ID, i)
	return nil
}

func checkModify(i sim.Instance, in ModifyInstanceAttribute) error {
	if i.Status.State == sim.StateTerminated || i.Status.State == sim.StateShuttingDown {
		return sim.Errorf(sim.CodeIncorrectInstanceState, "The instance '%s' is not in a state in which its attributes can be modified.", i.ID)
	}
	if (in.UserData != nil || in.Type != nil) && i.Status.State != sim.StateStopped {
		return sim.Errorf(sim.CodeIncorrectInstanceState, "The instance '%s' is not in the 'stopped' state.", i.ID)
	}
	if in.UserData != nil && len(*in.UserData) > maxUserData {
		return sim.Errorf(sim.CodeInvalidParameterValue, "User data is limited to %d bytes", maxUserData)
	}
	if in.Type != nil {
		if err := checkInstanceType(*in.Type); err != nil {
			return err
		}
	}
	if in.ShutdownAction != nil {
		return checkShutdownAction(*in.ShutdownAction)
	}
	return nil
}

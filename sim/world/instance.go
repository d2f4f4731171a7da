package world

import (
	"labsim/sim"
)

// StateChange is what a call did to an instance.
type StateChange struct {
	ID                sim.InstanceID
	Previous, Current sim.InstanceState
}

func (tx *Tx) StartInstances(ids []sim.InstanceID) (out []StateChange, err error) {
	return out, errUnfinished
}

// StopInstances asks instances to stop (EC2 API, StopInstances).
type StopInstances struct {
	IDs   []sim.InstanceID
	Force bool
}

func (tx *Tx) StopInstances(in StopInstances) (out []StateChange, err error) {
	return out, errUnfinished
}

func (tx *Tx) RebootInstances(ids []sim.InstanceID) error { return errUnfinished }

func (tx *Tx) TerminateInstances(ids []sim.InstanceID) (out []StateChange, err error) {
	return out, errUnfinished
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

func (tx *Tx) ModifyInstanceAttribute(in ModifyInstanceAttribute) error { return errUnfinished }

// ModifyInstanceMetadataOptions changes what is set (EC2 API, ModifyInstanceMetadataOptions).
type ModifyInstanceMetadataOptions struct {
	Instance sim.InstanceID
	Options  MetadataOptions
}

func (tx *Tx) ModifyInstanceMetadataOptions(in ModifyInstanceMetadataOptions) (out sim.MetadataOptions, err error) {
	return out, errUnfinished
}

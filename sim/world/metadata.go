package world

import "labsim/sim"

// MetadataOptions are wishes about the metadata service; nil or 0 leaves what is.
type MetadataOptions struct {
	TokensRequired *bool
	HopLimit       int
	Disabled       *bool
	InstanceTags   *bool
}

func (o MetadataOptions) apply(m sim.MetadataOptions) (sim.MetadataOptions, error) {
	if o.HopLimit < 0 || o.HopLimit > maxMetadataHops {
		return m, sim.Errorf(sim.CodeInvalidParameterValue, "Value (%d) for parameter httpPutResponseHopLimit is invalid: it must be between 1 and %d.", o.HopLimit, maxMetadataHops)
	}
	if o.HopLimit > 0 {
		m.HopLimit = o.HopLimit
	}
	set(&m.TokensRequired, o.TokensRequired)
	set(&m.Disabled, o.Disabled)
	set(&m.InstanceTags, o.InstanceTags)
	return m, nil
}

// ModifyInstanceMetadataOptions changes what is set (EC2 API, ModifyInstanceMetadataOptions).
type ModifyInstanceMetadataOptions struct {
	Instance sim.InstanceID
	Options  MetadataOptions
}

// ModifyInstanceMetadataOptions returns the options as they are then.
func (tx *Tx) ModifyInstanceMetadataOptions(in ModifyInstanceMetadataOptions) (sim.MetadataOptions, error) {
	i, err := get(tx, tx.Instances, in.Instance)
	if err != nil {
		return sim.MetadataOptions{}, err
	}
	if i.Desired == sim.DesiredTerminated {
		return sim.MetadataOptions{}, sim.Errorf(sim.CodeIncorrectInstanceState, "The instance '%s' is not in a state in which its metadata options can be modified.", i.ID)
	}
	if i.MetadataOptions, err = in.Options.apply(i.MetadataOptions); err != nil {
		return sim.MetadataOptions{}, err
	}
	put(tx, tx.Instances, i.ID, i)
	return i.MetadataOptions, nil
}

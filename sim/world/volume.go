package world

import (
	"slices"
	"strings"

	"labsim/sim"
)

// CreateVolume asks for a volume (EC2 API, CreateVolume).
type CreateVolume struct {
	Zone             sim.Zone
	Size             int    // GiB
	Type             string // "": gp2, as on EC2
	IOPS, Throughput int    // 0: the type's default
	Encrypted        bool
	Tags             sim.Tags
	ClientToken      string
}

// CreateVolume makes a volume that is attached to nothing.
func (tx *Tx) CreateVolume(in CreateVolume) (sim.Volume, error) {
	return addOnce(tx, tx.Volumes, in.ClientToken, in, func() (sim.Volume, error) { return tx.newVolume(in) })
}

func (tx *Tx) newVolume(in CreateVolume) (sim.Volume, error) {
	v, err := checkVolume(in)
	if err != nil {
		return sim.Volume{}, err
	}
	if in.Zone == "" {
		return sim.Volume{}, missing("availabilityZone")
	}
	if !slices.Contains(tx.Zones(), in.Zone) {
		return sim.Volume{}, sim.Errorf("InvalidZone.NotFound", "The zone '%s' does not exist.", in.Zone)
	}
	v.Zone, v.CreateTime = in.Zone, tx.Now
	return add(tx, tx.Volumes, in.Tags, v)
}

// DeleteVolume lets a volume that is attached to nothing die, with its data.
// It is deleting until VolumeGone.
func (tx *Tx) DeleteVolume(id sim.VolumeID) error {
	v, err := get(tx, tx.Volumes, id)
	if err != nil {
		return err
	}
	if i, _, ok := tx.AttachmentOf(id); ok {
		return sim.Errorf("VolumeInUse", "Volume %s is currently attached to %s", id, i.ID)
	}
	v.Status.Deleting = true
	put(tx, tx.Volumes, id, v)
	return nil
}

// AttachVolume gives a volume to an instance (EC2 API, AttachVolume).
type AttachVolume struct {
	Volume   sim.VolumeID
	Instance sim.InstanceID
	Device   string // /dev/sd[b-z], best f to p
}

// VolumeAttachment is a volume's place in an instance.
type VolumeAttachment struct {
	Instance sim.InstanceID
	sim.BlockDevice
}

// AttachVolume needs an available volume in the zone of a stopped instance.
func (tx *Tx) AttachVolume(in AttachVolume) (VolumeAttachment, error) {
	v, err := get(tx, tx.Volumes, in.Volume)
	if err != nil {
		return VolumeAttachment{}, err
	}
	i, err := get(tx, tx.Instances, in.Instance)
	if err != nil {
		return VolumeAttachment{}, err
	}
	if err := tx.checkAttach(v, i, in.Device); err != nil {
		return VolumeAttachment{}, err
	}
	d := sim.BlockDevice{Device: in.Device, Volume: v.ID, AttachTime: tx.Now}
	i.BlockDevices = append(slices.Clone(i.BlockDevices), d)
	put(tx, tx.Instances, i.ID, i)
	return VolumeAttachment{i.ID, d}, nil
}

func (tx *Tx) checkAttach(v sim.Volume, i sim.Instance, device string) error {
	if err := checkDevice(device, tx.Images.Row(i.Image)); err != nil {
		return err
	}
	if err := tx.checkFree(v, i, sim.VolumeAvailable); err != nil {
		return err
	}
	if slices.ContainsFunc(i.BlockDevices, func(d sim.BlockDevice) bool { return sameDevice(d.Device, device) }) {
		return sim.Errorf(sim.CodeInvalidParameterValue, "Invalid value '%s' for unixDevice. Attachment point %s is already in use", device, device)
	}
	return onlyStopped(i, "attached to")
}

// checkFree says why a volume can't be given to an instance, whatever the
// instance's state is. The volume must be in one of the given states.
func (tx *Tx) checkFree(v sim.Volume, i sim.Instance, in ...sim.VolumeState) error {
	if _, _, taken := tx.AttachmentOf(v.ID); taken {
		return sim.Errorf("VolumeInUse", "%s is already attached to an instance", v.ID)
	}
	if s := tx.VolumeState(v); !slices.Contains(in, s) {
		return sim.Errorf(sim.CodeIncorrectState, "Volume '%s' is in the '%s' state; it must be 'available'.", v.ID, s)
	}
	if v.Zone != i.Zone {
		return sim.Errorf("InvalidVolume.ZoneMismatch", "The volume '%s' is not in the same availability zone as instance '%s'", v.ID, i.ID)
	}
	return nil
}

// onlyStopped refuses what the agent can't do to a guest that runs.
func onlyStopped(i sim.Instance, what string) error {
	switch i.Status.State {
	case sim.StateStopped:
		return nil
	case sim.StateRunning:
		return sim.Errorf(sim.CodeUnsupportedOperation, "A volume can't be %s a running instance in labsim yet. Stop the instance '%s' first.", what, i.ID)
	}
	return sim.Errorf(sim.CodeIncorrectState, "Instance '%s' is not 'running' or 'stopped'.", i.ID)
}

// DetachVolume takes a volume from its instance; Instance and Device may be
// left out (EC2 API, DetachVolume).
type DetachVolume struct {
	Volume   sim.VolumeID
	Instance sim.InstanceID
	Device   string
	Force    bool
}

// DetachVolume returns where the volume was.
func (tx *Tx) DetachVolume(in DetachVolume) (VolumeAttachment, error) {
	if _, err := get(tx, tx.Volumes, in.Volume); err != nil {
		return VolumeAttachment{}, err
	}
	i, d, ok := tx.AttachmentOf(in.Volume)
	switch {
	case !ok:
		return VolumeAttachment{}, sim.Errorf(sim.CodeIncorrectState, "Volume '%s' is in the 'available' state.", in.Volume)
	case in.Instance != "" && in.Instance != i.ID || in.Device != "" && in.Device != d.Device:
		return VolumeAttachment{}, sim.Errorf("InvalidAttachment.NotFound", "The volume '%s' is not attached to instance '%s' as device '%s'.", in.Volume, or(string(in.Instance), string(i.ID)), or(in.Device, d.Device))
	}
	if err := onlyStopped(i, "detached from"); err != nil {
		return VolumeAttachment{}, err
	}
	i.BlockDevices = slices.DeleteFunc(slices.Clone(i.BlockDevices), func(x sim.BlockDevice) bool { return x.Volume == in.Volume })
	put(tx, tx.Instances, i.ID, i)
	return VolumeAttachment{i.ID, d}, nil
}

// checkMappings checks the volumes of a launch.
func checkMappings(mappings []BlockDeviceMapping, image sim.Image) error {
	for n, m := range mappings {
		if err := checkDevice(m.Device, image); err != nil {
			return err
		}
		for _, other := range mappings[:n] {
			if m.Volume != "" && other.Volume == m.Volume {
				return sim.Errorf("VolumeInUse", "%s is used in more than one block-device mapping", m.Volume)
			}
			if sameDevice(other.Device, m.Device) {
				return sim.Errorf("InvalidBlockDeviceMapping", "The device '%s' is used in more than one block-device mapping", m.Device)
			}
		}
	}
	return nil
}

// checkDevice: /dev/sd and /dev/xvd with b to z (EC2 User Guide, "Device names
// on Linux instances"); a is the root's, which is the image itself here.
func checkDevice(device string, image sim.Image) error {
	letter := deviceLetter(device)
	if device == image.RootDevice || letter == "a" || letter == "a1" {
		return sim.Errorf(sim.CodeUnsupportedOperation, "The root device %s is the image itself in labsim; it can't be mapped to a volume.", device)
	}
	if len(letter) != 1 || letter < "b" || letter > "z" {
		return sim.Errorf(sim.CodeInvalidParameterValue, "Value (%s) for parameter device is invalid. %s is not a valid EBS device name.", device, device)
	}
	return nil
}

// sameDevice: /dev/sdf and /dev/xvdf are one device in the guest.
func sameDevice(a, b string) bool { return deviceLetter(a) == deviceLetter(b) }

func deviceLetter(device string) string {
	if l, ok := strings.CutPrefix(device, "/dev/sd"); ok {
		return l
	}
	l, _ := strings.CutPrefix(device, "/dev/xvd")
	return l
}

package world

import (
	"testing"

	"labsim/sim"
)

func TestCreateVolume(t *testing.T) {
	r := newRegion(t)
	for name, c := range map[string]struct {
		in               CreateVolume
		iops, throughput int // where it is made
		code, text       string
	}{
		"gp3":            {CreateVolume{Size: 2, Type: "gp3"}, 3000, 125, "", ""},
		"gp3 faster":     {CreateVolume{Size: 100, Type: "gp3", IOPS: 6000, Throughput: 250}, 6000, 250, "", ""},
		"gp2 by default": {CreateVolume{Size: 1}, 100, 0, "", ""},
		"gp2 large":      {CreateVolume{Size: 1000, Type: "gp2"}, 3000, 0, "", ""},
		"io2":            {CreateVolume{Size: 10, Type: "io2", IOPS: 500}, 500, 0, "", ""},
		"standard":       {CreateVolume{Size: 1, Type: "standard"}, 0, 0, "", ""},
		"type":           {CreateVolume{Size: 1, Type: "gp9"}, 0, 0, "InvalidParameterValue", "gp9"},
		"no size":        {CreateVolume{Type: "gp3"}, 0, 0, "MissingParameter", "size"},
		"negative":       {CreateVolume{Size: -1}, 0, 0, "InvalidParameterValue", "too small"},
		"large":          {CreateVolume{Size: 16385, Type: "gp3"}, 0, 0, "InvalidParameterValue", "maximum is 16384GiB"},
		"st1 small":      {CreateVolume{Size: 124, Type: "st1"}, 0, 0, "InvalidParameterValue", "minimum is 125GiB"},
		"io1 no iops":    {CreateVolume{Size: 10, Type: "io1"}, 0, 0, "MissingParameter", "iops must be specified for io1"},
		"gp2 iops":       {CreateVolume{Size: 10, Type: "gp2", IOPS: 100}, 0, 0, "InvalidParameterCombination", "iops is not supported for gp2"},
		"gp2 throughput": {CreateVolume{Size: 10, Throughput: 125}, 0, 0, "InvalidParameterCombination", "throughput is not supported for gp2"},
		"gp3 iops":       {CreateVolume{Size: 10, Type: "gp3", IOPS: 100}, 0, 0, "InvalidParameterValue", "between 3000 and 16000"},
		"encrypted":      {CreateVolume{Size: 1, Encrypted: true}, 0, 0, "UnsupportedOperation", "Encryption"},
		"other zone":     {CreateVolume{Size: 1, Zone: "eu-west-1a"}, 0, 0, "InvalidZone.NotFound", "The zone 'eu-west-1a' does not exist."},
	} {
		t.Run(name, func(t *testing.T) {
			r.t = t
			if c.in.Zone == "" {
				c.in.Zone = "us-east-1b"
			}
			create := func(tx *Tx) (sim.Volume, error) { return tx.CreateVolume(c.in) }
			if c.code != "" {
				r.refused(c.code, c.text, drop(create))
				return
			}
			v := do(r, create)
			if v.IOPS != c.iops || v.Throughput != c.throughput || v.Zone != "us-east-1b" || r.View().VolumeState(v) != sim.VolumeCreating {
				t.Errorf("got %d IOPS, %d MiB/s, %s, %s; want %d, %d, us-east-1b, creating", v.IOPS, v.Throughput, v.Zone, r.View().VolumeState(v), c.iops, c.throughput)
			}
		})
	}
}

func TestAttachAndDetach(t *testing.T) {
	r := newRegion(t)
	n := r.subnet(r.vpc("10.0.0.0/16"), "10.0.1.0/24")
	volume := func(z sim.Zone) sim.VolumeID {
		v := do(r, func(tx *Tx) (sim.Volume, error) { return tx.CreateVolume(CreateVolume{Zone: z, Size: 1}) })
		if err := r.Update(func(tx *Tx) error { return tx.ObserveVolume(v.ID, VolumeObservation{Ready: true}) }); err != nil {
			t.Fatal(err)
		}
		return v.ID
	}
	v, second, far := volume("us-east-1a"), volume("us-east-1a"), volume("us-east-1b")
	i, other, live := r.stopped(n, nil).ID, r.stopped(n, nil).ID, r.running(n, nil).ID
	attach := func(v sim.VolumeID, i sim.InstanceID, device string) func(*Tx) error {
		return drop(func(tx *Tx) (VolumeAttachment, error) { return tx.AttachVolume(AttachVolume{v, i, device}) })
	}
	detach := func(in DetachVolume) func(*Tx) error {
		return drop(func(tx *Tx) (VolumeAttachment, error) { return tx.DetachVolume(in) })
	}
	r.refused("UnsupportedOperation", "can't be attached to a running instance", attach(v, live, "/dev/sdf"))
	r.refused("InvalidVolume.ZoneMismatch", "is not in the same availability zone as instance", attach(far, i, "/dev/sdf"))
	r.refused("InvalidParameterValue", "not a valid EBS device name", attach(v, i, "sdf"))
	r.refused("InvalidVolume.NotFound", "The volume 'vol-0123456789abcdef0' does not exist.", attach("vol-0123456789abcdef0", i, "/dev/sdf"))
	r.refused("InvalidVolumeID.Malformed", "", attach("data", i, "/dev/sdf"))
	r.refused("IncorrectState", "Volume '"+string(v)+"' is in the 'available' state.", detach(DetachVolume{Volume: v}))
	r.run(attach(v, i, "/dev/sdf"))
	r.refused("VolumeInUse", "is already attached to an instance", attach(v, other, "/dev/sdf"))
	r.refused("InvalidParameterValue", "Attachment point /dev/sdf is already in use", attach(second, i, "/dev/sdf"))
	r.refused("VolumeInUse", "Volume "+string(v)+" is currently attached to "+string(i), func(tx *Tx) error { return tx.DeleteVolume(v) })
	r.refused("InvalidAttachment.NotFound", "is not attached to instance '"+string(other)+"' as device '/dev/sdf'", detach(DetachVolume{Volume: v, Instance: other}))

	r.run(func(tx *Tx) error { return ops["start"](tx, i) })
	r.observe(i, Observation{State: sim.StateRunning, Boot: 2})
	r.refused("UnsupportedOperation", "can't be detached from a running instance", detach(DetachVolume{Volume: v}))
	r.run(func(tx *Tx) error { return ops["stop"](tx, i) })
	r.observe(i, Observation{State: sim.StateStopped, Boot: 2})
	r.run(detach(DetachVolume{Volume: v, Instance: i, Device: "/dev/sdf"}))
	r.run(func(tx *Tx) error { return tx.DeleteVolume(v) })
	r.refused("IncorrectState", "'deleting'", attach(v, i, "/dev/sdf"))
}

// A volume whose data is removed by hand is an error, not a silent loss.
func TestVolumeGoneBehindItsBack(t *testing.T) {
	r := newRegion(t)
	v := do(r, func(tx *Tx) (sim.Volume, error) { return tx.CreateVolume(CreateVolume{Zone: "us-east-1a", Size: 1}) })
	if err := r.Update(func(tx *Tx) error { return tx.VolumeGone(v.ID) }); err != nil {
		t.Fatal(err)
	}
	if got := r.View().VolumeState(r.View().Volumes.Row(v.ID)); got != sim.VolumeError {
		t.Errorf("the volume is %s, want error", got)
	}
}

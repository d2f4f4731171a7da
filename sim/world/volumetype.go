package world

import "labsim/sim"

// volumeType is what a type of volume can be (EBS User Guide, "Amazon EBS
// volume types").
type volumeType struct {
	name             string
	minSize, maxSize int                // GiB
	iops             func(size int) int // where the request names none; nil: the type has no such setting
	maxIOPS          int                // 0: it can't be set
	minIOPS          int
	throughput       int // MiB/s where the request names none
	maxThroughput    int // 0: it can't be set
}

var volumeTypes = []volumeType{
	{name: "gp3", minSize: 1, maxSize: 16384, iops: func(int) int { return 3000 }, minIOPS: 3000, maxIOPS: 16000, throughput: 125, maxThroughput: 1000},
	{name: "gp2", minSize: 1, maxSize: 16384, iops: func(size int) int { return min(max(3*size, 100), 16000) }},
	{name: "io1", minSize: 4, maxSize: 16384, minIOPS: 100, maxIOPS: 64000},
	{name: "io2", minSize: 4, maxSize: 65536, minIOPS: 100, maxIOPS: 256000},
	{name: "st1", minSize: 125, maxSize: 16384},
	{name: "sc1", minSize: 125, maxSize: 16384},
	{name: "standard", minSize: 1, maxSize: 1024},
}

// checkVolume returns a volume of the wished type and size, with the defaults
// filled in.
func checkVolume(in CreateVolume) (sim.Volume, error) {
	none := sim.Volume{}
	t, ok := volumeTypeNamed(or(in.Type, "gp2"))
	switch {
	case !ok:
		return none, sim.Errorf(sim.CodeInvalidParameterValue, "Value (%s) for parameter volumeType is invalid. Unknown volume type.", in.Type)
	case in.Size == 0:
		return none, sim.Errorf(sim.CodeMissingParameter, "The request must contain the parameter size or snapshotId")
	case in.Size < t.minSize:
		return none, sim.Errorf(sim.CodeInvalidParameterValue, "Volume of %dGiB is too small for volume type %s; minimum is %dGiB.", in.Size, t.name, t.minSize)
	case in.Size > t.maxSize:
		return none, sim.Errorf(sim.CodeInvalidParameterValue, "Volume of %dGiB is too large for volume type %s; maximum is %dGiB.", in.Size, t.name, t.maxSize)
	case in.Encrypted:
		return none, sim.Errorf(sim.CodeUnsupportedOperation, "Encryption of volumes is not simulated; leave Encrypted out.")
	}
	v := sim.Volume{Size: in.Size, Type: t.name, IOPS: in.IOPS, Throughput: in.Throughput}
	if err := t.checkIOPS(&v); err != nil {
		return none, err
	}
	return v, t.checkThroughput(&v)
}

func (t volumeType) checkIOPS(v *sim.Volume) error {
	switch {
	case v.IOPS == 0 && t.iops != nil:
		v.IOPS = t.iops(v.Size)
	case v.IOPS == 0 && t.maxIOPS > 0:
		return sim.Errorf(sim.CodeMissingParameter, "The parameter iops must be specified for %s volumes.", t.name)
	case v.IOPS == 0:
	case t.maxIOPS == 0:
		return sim.Errorf(sim.CodeInvalidParameterCombination, "The parameter iops is not supported for %s volumes.", t.name)
	case v.IOPS < t.minIOPS || v.IOPS > t.maxIOPS:
		return sim.Errorf(sim.CodeInvalidParameterValue, "Volume iops of %d is out of range for volume type %s: it must be between %d and %d.", v.IOPS, t.name, t.minIOPS, t.maxIOPS)
	}
	return nil
}

func (t volumeType) checkThroughput(v *sim.Volume) error {
	switch {
	case v.Throughput == 0:
		v.Throughput = t.throughput
	case t.maxThroughput == 0:
		return sim.Errorf(sim.CodeInvalidParameterCombination, "The parameter throughput is not supported for %s volumes.", t.name)
	case v.Throughput < t.throughput || v.Throughput > t.maxThroughput:
		return sim.Errorf(sim.CodeInvalidParameterValue, "Throughput of %d MiB/s is out of range for volume type %s: it must be between %d and %d.", v.Throughput, t.name, t.throughput, t.maxThroughput)
	}
	return nil
}

func volumeTypeNamed(name string) (volumeType, bool) {
	for _, t := range volumeTypes {
		if t.name == name {
			return t, true
		}
	}
	return volumeType{}, false
}

package world

import (
	"net/netip"
	"slices"

	"labsim/sim"
)

// RunInstances launches instances (EC2 API, RunInstances).
type RunInstances struct {
	Image              sim.ImageID
	Type               string // "": sim.DefaultInstanceType
	MinCount, MaxCount int
	KeyName            string
	Subnet             sim.SubnetID
	Zone               sim.Zone // "": the subnet's; else it must be the subnet's
	SecurityGroups     []sim.SecurityGroupID
	SecurityGroupNames []string
	PrivateIP          netip.Addr
	AssociatePublicIP  *bool     // nil: as the subnet says
	ENI                sim.ENIID // an existing interface to be the primary one
	KeepENI            bool      // DeleteOnTermination false of the primary interface
	Description        string    // of the new primary interface
	UserData           []byte
	ShutdownAction     sim.ShutdownAction // "": stop
	BlockDevices       []BlockDeviceMapping
	MetadataOptions    MetadataOptions
	ClientToken        string
	Tags               sim.Tags // of the instances
	VolumeTags         sim.Tags
	ENITags            sim.Tags
}

// BlockDeviceMapping is a volume that a launch makes and attaches.
type BlockDeviceMapping struct {
	Device              string
	Size                int // GiB
	Type                string
	IOPS, Throughput    int
	Encrypted           bool
	DeleteOnTermination *bool // nil: true for a volume made here, as on EC2
	// Volume is a free volume to be attached instead of a new one. It may still
	// be creating: the launch is pending until it is there.
	Volume sim.VolumeID
}

// Reservation is the result of one launch.
type Reservation struct {
	ID        sim.ReservationID
	Owner     sim.AccountID
	Instances []sim.Instance
}

// launch is a checked request.
type launch struct {
	RunInstances
	image   sim.Image
	key     sim.KeyPair
	subnet  sim.Subnet
	count   int
	options sim.MetadataOptions
	id      sim.ReservationID
}

// RunInstances launches as many instances as the subnet has addresses for, at
// least MinCount and at most MaxCount. They are pending until they are observed.
func (tx *Tx) RunInstances(in RunInstances) (Reservation, error) {
	return once(tx, in.ClientToken, in, tx.Reservation, func() (Reservation, sim.ReservationID, error) {
		l, err := tx.checkLaunch(in)
		if err != nil {
			return Reservation{}, "", err
		}
		r := Reservation{ID: l.id, Owner: tx.Account}
		for n := range l.count {
			i, err := tx.launchOne(l, n)
			if err != nil {
				return Reservation{}, "", err
			}
			r.Instances = append(r.Instances, i)
		}
		return r, r.ID, nil
	})
}

// Reservation returns the instances of one launch, terminated ones included.
func (tx *Tx) Reservation(id sim.ReservationID) (Reservation, error) {
	r := Reservation{ID: id}
	for _, i := range tx.Instances.by(instancesByReservation, string(id)) {
		if tx.owns(i.Owner) {
			r.Owner, r.Instances = i.Owner, append(r.Instances, i)
		}
	}
	slices.SortFunc(r.Instances, func(a, b sim.Instance) int { return a.LaunchIndex - b.LaunchIndex })
	if len(r.Instances) == 0 {
		return r, sim.Errorf("InvalidReservationID.NotFound", "The reservation ID '%s' does not exist", id)
	}
	return r, nil
}

func (tx *Tx) checkLaunch(in RunInstances) (l launch, err error) {
	if err := checkLaunchForm(in); err != nil {
		return l, err
	}
	in.Type = or(in.Type, sim.DefaultInstanceType)
	if in.ShutdownAction == "" {
		in.ShutdownAction = sim.ShutdownStop
	}
	l = launch{RunInstances: in, count: in.MaxCount}
	if l.options, err = in.MetadataOptions.apply(sim.MetadataOptions{HopLimit: 1}); err != nil {
		return l, err
	}
	if err := checkInstanceType(in.Type); err != nil {
		return l, err
	}
	if l.image, err = use(tx, tx.Images, in.Image); err != nil {
		return l, err
	}
	if l.key, err = tx.launchKey(in.KeyName); err != nil {
		return l, err
	}
	if err := tx.checkPlace(&l); err != nil {
		return l, err
	}
	if err := checkMappings(in.BlockDevices, l.image); err != nil {
		return l, err
	}
	if err := tx.checkCapacity(); err != nil {
		return l, err
	}
	l.id, err = newID[sim.ReservationID](tx, sim.PrefixReservation)
	return l, err
}

// checkLaunchForm checks what needs no look at the world.
func checkLaunchForm(in RunInstances) error {
	combination := func(text string) error { return sim.Errorf(sim.CodeInvalidParameterCombination, "%s", text) }
	switch {
	case in.Image == "":
		return missing("ImageId")
	case in.MinCount < 1 || in.MaxCount < in.MinCount:
		return sim.Errorf(sim.CodeInvalidParameterValue, "The value for minCount (%d) must be at least 1 and at most that for maxCount (%d).", in.MinCount, in.MaxCount)
	case len(in.UserData) > maxUserData:
		return sim.Errorf(sim.CodeInvalidParameterValue, "User data is limited to %d bytes", maxUserData)
	case in.ENI != "" && (in.Subnet != "" || in.PrivateIP.IsValid()):
		return combination("Network interfaces and an instance-level subnet ID may not be specified on the same request")
	case in.ENI != "" && (len(in.SecurityGroups) > 0 || len(in.SecurityGroupNames) > 0):
		return combination("Network interfaces and an instance-level security groups may not be specified on the same request")
	case in.ENI != "" && in.AssociatePublicIP != nil:
		return combination("The associatePublicIPAddress parameter cannot be specified when launching with an existing network interface")
	case in.MaxCount > 1 && (in.ENI != "" || in.PrivateIP.IsValid()):
		return combination("A network interface or a private IP address cannot be specified when launching more than one instance")
	case len(in.SecurityGroupNames) > 0 && in.Subnet != "":
		return combination("The parameter groupName cannot be used with the parameter subnet")
	case in.ENI == "" && in.Subnet == "":
		return sim.Errorf("VPCIdNotSpecified", "No default VPC for this user")
	}
	return checkShutdownAction(in.ShutdownAction)
}

func checkShutdownAction(a sim.ShutdownAction) error {
	if a != "" && a != sim.ShutdownStop && a != sim.ShutdownTerminate {
		return sim.Errorf(sim.CodeInvalidParameterValue, "Value (%s) for parameter instanceInitiatedShutdownBehavior is invalid. Valid values: stop, terminate.", a)
	}
	return nil
}

func checkInstanceType(name string) error {
	if _, ok := sim.InstanceTypeNamed(name); !ok {
		return sim.Errorf(sim.CodeInvalidParameterValue, "Invalid value '%s' for InstanceType.", name)
	}
	return nil
}

func (tx *Tx) launchKey(name string) (sim.KeyPair, error) {
	if name == "" {
		return sim.KeyPair{}, nil
	}
	k, ok := tx.KeyPairNamed(tx.Account, name)
	return k, keyPairs.found(ok, name)
}

// checkPlace finds the subnet and how many instances there is room for.
func (tx *Tx) checkPlace(l *launch) (err error) {
	if l.ENI != "" {
		e, err := get(tx, tx.ENIs, l.ENI)
		if err != nil {
			return err
		}
		if e.Attachment.ID != "" {
			return sim.Errorf("InvalidNetworkInterface.InUse", "Interface: [%s] in use.", e.ID)
		}
		l.Subnet = e.Subnet
	}
	if l.subnet, err = get(tx, tx.Subnets, l.Subnet); err != nil {
		return err
	}
	if l.Zone != "" && l.Zone != l.subnet.Zone {
		return sim.Errorf(sim.CodeInvalidParameterValue, "The availability zone '%s' does not match that of subnet '%s', which is '%s'.", l.Zone, l.subnet.ID, l.subnet.Zone)
	}
	if l.ENI == "" {
		l.count = min(l.count, tx.FreeAddresses(l.subnet))
	}
	if l.count < l.MinCount {
		return tx.noAddressLeft(l.subnet)
	}
	return room(tx, tx.Instances, l.count)
}

func (tx *Tx) launchOne(l launch, index int) (sim.Instance, error) {
	i, err := add(tx, tx.Instances, l.Tags, sim.Instance{Reservation: l.id, LaunchIndex: index, Image: l.image.ID, Type: l.Type,
		KeyName: l.KeyName, PublicKey: l.key.PublicKey, VPC: l.subnet.VPC, Subnet: l.subnet.ID, Zone: l.subnet.Zone,
		UserData: l.UserData, ShutdownAction: l.ShutdownAction, ClientToken: l.ClientToken, MetadataOptions: l.options,
		LaunchTime: tx.Now, Desired: sim.DesiredRunning, Boot: 1,
		Status: sim.InstanceStatus{State: sim.StatePending, TransitionTime: tx.Now}})
	if err != nil {
		return sim.Instance{}, err
	}
	if err := tx.launchENI(l, i); err != nil {
		return sim.Instance{}, err
	}
	for _, m := range l.BlockDevices {
		d, err := tx.launchVolume(m, i, l.VolumeTags)
		if err != nil {
			return sim.Instance{}, err
		}
		i.BlockDevices = append(i.BlockDevices, d)
	}
	put(tx, tx.Instances, i.ID, i)
	return i, nil
}

// launchVolume makes a volume of a new instance, or finds the one that is meant.
func (tx *Tx) launchVolume(m BlockDeviceMapping, i sim.Instance, tags sim.Tags) (sim.BlockDevice, error) {
	d := sim.BlockDevice{Device: m.Device, Volume: m.Volume, DeleteOnTermination: m.Volume == "", AttachTime: tx.Now}
	set(&d.DeleteOnTermination, m.DeleteOnTermination)
	if m.Volume != "" {
		v, err := get(tx, tx.Volumes, m.Volume)
		if err != nil {
			return d, err
		}
		return d, tx.checkFree(v, i, sim.VolumeAvailable, sim.VolumeCreating)
	}
	v, err := tx.newVolume(CreateVolume{Zone: i.Zone, Size: m.Size, Type: m.Type, IOPS: m.IOPS, Throughput: m.Throughput, Encrypted: m.Encrypted, Tags: tags})
	d.Volume = v.ID
	return d, err
}

func (tx *Tx) launchENI(l launch, i sim.Instance) (err error) {
	e := tx.ENIs.Row(l.ENI)
	if l.ENI == "" {
		e, err = tx.newENI(CreateNetworkInterface{Subnet: l.Subnet, PrivateIP: l.PrivateIP,
			SecurityGroups: l.SecurityGroups, Description: l.Description, Tags: l.ENITags})
		e.AutoPublicIP = l.subnet.MapPublicIP
		set(&e.AutoPublicIP, l.AssociatePublicIP)
	}
	if err != nil {
		return err
	}
	return tx.attachENI(e, i, l.ENI == "" && !l.KeepENI)
}

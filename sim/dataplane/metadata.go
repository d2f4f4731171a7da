package dataplane

import (
	"strconv"

	"labsim/sim"
	"labsim/sim/world"
)

func compileMetadata(s *world.State, r sim.Region, v sim.VPC, w *wired) Metadata {
	i := w.instance
	n, image := s.Subnets.Row(w.Subnet), s.Images.Row(i.Image)
	m := Metadata{
		Addr: w.PrivateIP, Instance: i.ID, Account: i.Owner, Reservation: i.Reservation, LaunchIndex: i.LaunchIndex, LaunchTime: i.LaunchTime,
		Image: i.Image, Type: i.Type, Zone: i.Zone, Hostname: sim.PrivateDNSName(r, w.PrivateIP),
		Public: w.PublicIP, MAC: w.MAC, ENI: w.ID, VPC: v.ID, Subnet: w.Subnet, VPCCIDR: v.CIDR(), SubnetCIDR: n.CIDR,
		Groups: w.SecurityGroups, KeyName: i.KeyName, PublicKey: i.PublicKey, UserData: i.UserData, BlockDevices: blockDevices(i, image),
		TokensRequired: i.MetadataOptions.TokensRequired, HopLimit: max(1, i.MetadataOptions.HopLimit),
		Disabled: i.MetadataOptions.Disabled, Architecture: image.Architecture,
	}
	if v.DNSHostnames && w.PublicIP.IsValid() {
		m.PublicHostname = sim.PublicDNSName(r, w.PublicIP)
	}
	for _, g := range w.SecurityGroups {
		m.GroupNames = append(m.GroupNames, s.SecurityGroups.Row(g).Name)
	}
	if i.MetadataOptions.InstanceTags {
		m.Tags = i.Tags
	}
	return m
}

// blockDevices names the devices as the metadata service does (EC2 User Guide,
// "Instance metadata categories"): ami and root, then ebs1, ebs2 in the order
// in which they were attached.
func blockDevices(i sim.Instance, image sim.Image) map[string]string {
	root := image.RootDevice
	if root == "" {
		root = "/dev/xvda"
	}
	out := map[string]string{"ami": root, "root": root}
	n := 0
	for _, d := range i.BlockDevices {
		if d.Device == root {
			continue
		}
		n++
		out["ebs"+strconv.Itoa(n)] = d.Device
	}
	return out
}

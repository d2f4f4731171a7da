package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"iter"
	"net/netip"
	"slices"
	"strings"

	"labsim/sim"
	"labsim/sim/engine"
)

// SystemImage is the image of labsim's own: edge containers and the built-in AMI.
const SystemImage = "labsim/linux:latest"

// Bounds of every guest against abuse of the machine.
const (
	maxPIDs  = 4096
	maxFiles = 65536
)

type worldState interface {
	ENIsOfInstance(sim.InstanceID) iter.Seq2[sim.ENIID, sim.ENI]
}

// container returns what an instance's container has to be, or what is missing
// in the world for it.
func (p *planner) container(i sim.Instance) (c engine.Container, missing string) {
	image, ok := p.s.Images.Get(i.Image)
	if !ok || image.Ref == "" {
		return c, "the image " + string(i.Image) + " does not exist"
	}
	vpc, ok := p.s.VPCs.Get(i.VPC)
	if !ok {
		return c, "the VPC " + string(i.VPC) + " does not exist"
	}
	c = engine.Container{
		Name:   p.names.instances[i.ID],
		Kind:   engine.KindInstance,
		ID:     string(i.ID),
		Image:  image.Ref,
		Limits: limits(i.Type),
		DNS:    []netip.Addr{sim.DNSAddr(vpc.CIDR())},
		Labels: objectLabels(p.opts.Site, i.Tags, string(i.VPC), composeService),
		Env: []string{
			"LABSIM_INSTANCE=" + string(i.ID),
			"LABSIM_DNS=" + sim.DNSAddr(vpc.CIDR()).String(),
			"LABSIM_DOMAIN=" + sim.PrivateDomain(p.opts.Region),
		},
	}
	for _, e := range attached(p.s, i.ID) {
		if e.Attachment.DeviceIndex == 0 {
			c.Hostname = sim.PrivateDNSName(p.opts.Region, e.PrivateIP)
		}
	}
	c.Interfaces = p.legs(i)
	if own := i.Tags.Value(sim.TagHostname); sim.IsHostname(own) {
		c.Hostname = own
	}
	if len(c.Interfaces) == 0 {
		return c, "the instance has no network interface"
	}
	c.Mounts = p.mounts(i)
	c.Hash = hash(c)
	return c, ""
}

// legs are the instance's interfaces as the engine has to make them.
func (p *planner) legs(i sim.Instance) []engine.Interface {
	var out []engine.Interface
	for _, e := range attached(p.s, i.ID) {
		out = append(out, engine.Interface{Network: p.names.subnets[e.Subnet], ENI: e.ID, Addr: e.PrivateIP, MAC: e.MAC})
	}
	return out
}

// mounts are the attached volumes that say where the guest finds them.
func (p *planner) mounts(i sim.Instance) []engine.Mount {
	var out []engine.Mount
	for _, d := range i.BlockDevices {
		v, ok := p.s.Volumes.Get(d.Volume)
		path := v.Tags.Value(sim.TagMount)
		if !ok || !strings.HasPrefix(path, "/") {
			continue
		}
		out = append(out, engine.Mount{Volume: p.names.volumes[v.ID], Path: path})
	}
	slices.SortFunc(out, func(a, b engine.Mount) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// limits sizes a container by the instance's type.
func limits(name string) engine.Limits {
	l := engine.Limits{PIDs: maxPIDs, Files: maxFiles}
	if t, ok := sim.InstanceTypeNamed(name); ok {
		l.CPUs, l.MemoryMiB = float64(t.VCPUs), int64(t.MemoryMiB)
	}
	return l
}

// hash is over all of a container that can't be changed in place, as the size
// of its type can. Labels are not in it: a changed tag must not make a container
// anew; nor the name, which is given once.
func hash(c engine.Container) string {
	c.Labels, c.Hash, c.Name = nil, "", ""
	c.Limits.CPUs, c.Limits.MemoryMiB = 0, 0
	data, err := json.Marshal(c)
	if err != nil {
		panic("container does not encode: " + err.Error()) // plain data always does
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

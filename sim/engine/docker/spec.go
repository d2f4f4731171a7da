package docker

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"

	"labsim/sim"
	"labsim/sim/engine"
)

// guestInit is PID 1 of the instances, on the guest volume.
const (
	guestDir  = "/.labsim"
	guestInit = guestDir + "/init"
)

// envCommand tells PID 1 what to start, as a JSON list.
const envCommand = "LABSIM_COMMAND"

// systemBinary is labsim inside the system image.
const systemBinary = "/labsim"

// containerConfig compiles a container's own side. Nothing of the image decides
// about PID 1: not its entrypoint, its user, its stop signal or its health check.
func (e *Engine) containerConfig(c engine.Container, args []string) *container.Config {
	labels := map[string]string{}
	maps.Copy(labels, c.Labels)
	labels[sim.LabelSite] = string(e.site)
	labels[sim.LabelKind] = string(c.Kind)
	labels[sim.LabelID] = c.ID
	labels[sim.LabelHash] = c.Hash
	cfg := &container.Config{
		Image: c.Image, Hostname: c.Hostname, Env: slices.Clone(c.Env), Labels: labels,
		Entrypoint: []string{guestInit},
		User:       "0:0", WorkingDir: "/", StopSignal: "SIGTERM",
		Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
	}
	if len(args) > 0 {
		list, _ := json.Marshal(args) // strings only
		cfg.Env = append(cfg.Env, envCommand+"="+string(list))
	}
	if c.Kind == engine.KindEdge {
		cfg.Entrypoint, cfg.Cmd = []string{systemBinary}, []string{"edge"}
	}
	return cfg
}

// hostConfig compiles the engine's side of a container.
func (e *Engine) hostConfig(c engine.Container) *container.HostConfig {
	h := &container.HostConfig{
		// Control starts instances and edges itself, so that nothing runs before its rules.
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyDisabled},
		LogConfig:     smallLog(),
		IpcMode:       container.IPCModePrivate,
		NetworkMode:   "none",
		Resources:     resources(c.Limits),
	}
	if len(c.Interfaces) > 0 {
		h.NetworkMode = container.NetworkMode(c.Interfaces[0].Network)
	}
	if c.Kind == engine.KindEdge {
		h.CapDrop = []string{"ALL"}
		h.ReadonlyRootfs = true
		h.SecurityOpt = confined("no-new-privileges")
		// Closed until the agent has programmed it and flushed its conntrack.
		h.Sysctls = map[string]string{"net.ipv4.ip_forward": "0"}
		return h
	}
	// No no-new-privileges: root is open to ec2-user by sudo anyway, as on EC2,
	// and a Linux image's own setuid programs (sudo, su, passwd) are to work. The
	// volumes are nosuid and nodev by their driver.
	h.CapDrop, h.CapAdd = []string{"ALL"}, instanceCaps
	h.SecurityOpt = confined()
	h.MaskedPaths = maskedPaths
	h.CgroupnsMode = container.CgroupnsModePrivate // the machine's other cgroups have no name here
	for _, name := range sim.EtcFiles {
		// The agent made them, small and in memory: Docker's own lie on the engine's disk without a limit.
		h.Binds = append(h.Binds, path.Join(e.site.RunDir(), sim.EtcDir, c.ID, name)+":/etc/"+name+":Z")
	}
	h.Tmpfs, h.ShmSize = memoryDisks(c)
	h.Mounts = mounts(c.Mounts)
	h.Mounts = append(h.Mounts, volumeMount(e.site.GuestVolume(), guestDir, true))
	for _, a := range c.DNS {
		h.DNS = append(h.DNS, a.String())
	}
	if len(h.DNS) > 0 {
		h.DNSSearch = []string{"."} // not the search list of the engine's machine
	}
	return h
}

// memoryDisks are /tmp and /run, and the size of /dev/shm: in memory, so that they
// count to the instance's, and sized by it as systemd does (tmp.mount, and /run
// and /dev/shm of mount-setup.c). The size stays that of the type at launch.
func memoryDisks(c engine.Container) (tmpfs map[string]string, shm int64) {
	memory := c.Limits.MemoryMiB << 20
	if memory == 0 {
		return nil, 0 // nothing would bound them
	}
	const pages = 4096 // at most one file for each
	tmpfs = map[string]string{
		"/tmp": fmt.Sprintf("exec,nosuid,nodev,mode=1777,size=%d,nr_inodes=%d", memory/2, memory/2/pages),
		"/run": fmt.Sprintf("exec,nosuid,nodev,mode=755,size=%d,nr_inodes=%d", memory/5, memory/5/pages),
	}
	for _, m := range c.Mounts {
		delete(tmpfs, path.Clean(m.Path)) // a volume of the owner's is what he wants there
	}
	return tmpfs, memory / 2
}

func mounts(ms []engine.Mount) []mount.Mount {
	var out []mount.Mount
	for _, m := range ms {
		out = append(out, volumeMount(m.Volume, m.Path, m.ReadOnly))
	}
	return out
}

func volumeMount(name, path string, readOnly bool) mount.Mount {
	return mount.Mount{
		Type: mount.TypeVolume, Source: name, Target: path, ReadOnly: readOnly,
		// A new disk is empty, whatever the image has at that place.
		VolumeOptions: &mount.VolumeOptions{NoCopy: true},
	}
}

func resources(l engine.Limits) container.Resources {
	r := container.Resources{NanoCPUs: int64(l.CPUs * 1e9), Memory: l.MemoryMiB << 20}
	if r.Memory > 0 {
		r.MemorySwap = r.Memory // no swap: an instance has none either
	}
	if l.PIDs > 0 {
		r.PidsLimit = &l.PIDs
	}
	if l.Files > 0 {
		n := min(l.Files, filesAllowed())
		r.Ulimits = []*container.Ulimit{{Name: "nofile", Soft: n, Hard: n}}
	}
	return r
}

// smallLog bounds what a container can write to the engine's disk.
func smallLog() container.LogConfig {
	return container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "1m", "max-file": "2"}}
}

package docker

import (
	"archive/tar"
	"bytes"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"

	"labsim/sim"
	"labsim/sim/engine"
)

// testRootDisk changes the type and the mounts of a stopped instance: what it
// wrote to its root disk stays, also where the change was cut off, and goes with
// the instance.
func testRootDisk(t *testing.T, e *Engine, build string) {
	ctx := t.Context()
	name := string(e.site)
	volume := engine.Volume{Name: name + "_data", Kind: engine.KindVolume, ID: "vol-0123456789abcdef0", Size: 1}
	c := engine.Container{
		Name: name + "-web-1", Kind: engine.KindInstance, ID: "i-0123456789abcdef0", Hash: "1", Image: imageOf(build),
		Limits: engine.Limits{CPUs: 0.5, MemoryMiB: 128, PIDs: 256, Files: 1024},
	}
	start := func(what string) container.InspectResponse {
		t.Helper()
		if err := e.Start(ctx, c); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		in, err := e.c.ContainerInspect(ctx, c.Name)
		if err != nil || !in.State.Running {
			t.Fatalf("%s: running %v, %v", what, in.State, err)
		}
		return in
	}
	stopped := func() container.InspectResponse {
		t.Helper()
		if err := e.Stop(ctx, c.Name, 5); err != nil {
			t.Fatal(err)
		}
		in, err := e.c.ContainerInspect(ctx, c.Name)
		if err != nil {
			t.Fatal(err)
		}
		return in
	}
	stands := func(path string) {
		t.Helper()
		if _, err := e.c.ContainerStatPath(ctx, c.Name, path); err != nil {
			t.Errorf("%s on the root disk: %v", path, err)
		}
	}
	if err := e.EnsureVolume(ctx, volume); err != nil {
		t.Fatal(err)
	}

	first := start("the first start")
	put(t, e, c.Name, "kept")
	stopped()
	c.Limits.CPUs, c.Limits.MemoryMiB = 1, 256
	in := start("another type")
	if in.ID != first.ID || in.HostConfig.Memory != 256<<20 || in.HostConfig.MemorySwap != 256<<20 || in.HostConfig.NanoCPUs != 1e9 {
		t.Errorf("another type: container %s with %+v, before %s", in.ID, in.HostConfig.Resources, first.ID)
	}
	stands("/kept")

	stopped()
	c.Hash, c.Mounts = "2", []engine.Mount{{Volume: volume.Name, Path: "/data"}}
	if in = start("a volume attached"); in.ID == first.ID || in.HostConfig == nil || len(in.HostConfig.Mounts) != 2 {
		t.Errorf("a volume attached: container %s has %+v", in.ID, in.Mounts)
	}
	if in.Config.Labels[sim.LabelKind] != string(engine.KindInstance) || in.Config.Labels[sim.LabelHash] != "2" {
		t.Errorf("a volume attached: labels %v", in.Config.Labels)
	}
	stands("/kept")
	put(t, e, c.Name, "later")

	old := stopped()
	c.Hash, c.Mounts = "3", nil
	if err := e.keepRoot(ctx, old, c); err != nil { // cut off before the container goes
		t.Fatal(err)
	}
	start("a volume detached, cut off once")
	stands("/kept")
	stands("/later")

	old = stopped()
	c.Hash = "4"
	if err := e.keepRoot(ctx, old, c); err != nil { // cut off after it went
		t.Fatal(err)
	}
	if err := e.removeContainer(ctx, old.ID); err != nil {
		t.Fatal(err)
	}
	start("cut off between two containers")
	stands("/kept")
	stands("/later")

	if list, err := e.Images(ctx); err != nil {
		t.Error(err)
	} else {
		for _, i := range list {
			if i.Labels[sim.LabelKind] == kindRoot {
				t.Errorf("a root disk is an AMI: %+v", i)
			}
		}
	}
	if len(roots(t, e)) == 0 {
		t.Error("no root disk is kept")
	}
	old = stopped()
	if err := e.removeContainer(ctx, old.ID); err != nil { // by hand: the instance is terminated
		t.Fatal(err)
	}
	c.ID = "i-0123456789abcdef1"
	start("the next instance of that name")
	if left := roots(t, e); len(left) > 0 {
		t.Errorf("beside the next instance stand %+v", left)
	}

	stopped()
	c.Hash = "5"
	start("a change of the next instance")
	if err := e.Remove(ctx, c.Name); err != nil {
		t.Fatal(err)
	}
	if left := roots(t, e); len(left) > 0 {
		t.Errorf("after Remove stand %+v", left)
	}
}

// roots are the root disks that are kept for the site.
func roots(t *testing.T, e *Engine) []image.Summary {
	t.Helper()
	list, err := e.c.ImageList(t.Context(), image.ListOptions{All: true, Filters: e.ours(sim.LabelKind + "=" + kindRoot)})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// put writes a file to a container's root directory.
func put(t *testing.T, e *Engine, in, file string) {
	t.Helper()
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := w.WriteHeader(&tar.Header{Name: file, Mode: 0o600, Size: int64(len(file))}); err != nil {
		t.Fatal(err)
	}
	w.Write([]byte(file))
	w.Close()
	if err := e.c.CopyToContainer(t.Context(), in, "/", &archive, container.CopyToContainerOptions{}); err != nil {
		t.Fatal(err)
	}
}

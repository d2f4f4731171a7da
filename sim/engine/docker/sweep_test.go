//go:build linux

package docker

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"labsim/images"
	"labsim/sim"
	"labsim/sim/engine"
	"labsim/sim/engine/enginetest/dockerd"
)

// TestSweepImages has three builds on an engine of the test's own, two of them in
// use by a site each. What is not is removed, and what "latest" means to a site
// does not depend on the others.
func TestSweepImages(t *testing.T) {
	if testing.Short() {
		t.Skip("a real engine takes its time")
	}
	d := dockerd.New(t)
	if _, err := d.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	site := func(name string) *Engine {
		t.Helper()
		e, err := Open(ctx, Options{Site: sim.Site(name), Host: d.Host()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { e.Close() })
		return e
	}
	e, other := site("t-sweep"), site("t-sweep-other")
	binary, err := os.ReadFile(labsimBinary(t))
	if err != nil {
		t.Fatal(err)
	}
	build := func(more string) string {
		t.Helper()
		file := filepath.Join(t.TempDir(), "labsim")
		if err := os.WriteFile(file, append(slices.Clip(binary), more...), 0o755); err != nil {
			t.Fatal(err)
		}
		hash, err := images.BuildHash(file)
		if err == nil {
			_, err = e.ensureImage(ctx, file, hash)
		}
		if err != nil {
			t.Fatal(err)
		}
		return hash
	}
	uses := func(e *Engine, hash string) {
		t.Helper()
		e.build = hash
		if _, err := e.create(ctx, engine.Container{Name: string(e.site), Kind: engine.KindEdge, Image: imageOf("latest")}); err != nil {
			t.Fatal(err)
		}
	}
	stand := func(when string, want ...string) {
		t.Helper()
		all, err := e.c.ImageList(ctx, imagesOfAnyBuild)
		var have []string
		for _, i := range all {
			have = append(have, i.Labels[sim.LabelBuild])
		}
		slices.Sort(have)
		slices.Sort(want)
		if err != nil || !slices.Equal(have, want) {
			t.Errorf("%s stand %v, want %v: %v", when, have, want, err)
		}
	}

	old, theirs, now, mine := build("old"), build("theirs"), build("now"), build("mine")
	if err := e.c.ImageTag(ctx, imageOf(mine), "somebody/ami:1"); err != nil {
		t.Fatal(err)
	}
	uses(other, theirs)
	uses(e, now)
	sweep := func(grace time.Duration) {
		t.Helper()
		if err := e.sweepImages(ctx, now, grace); err != nil {
			t.Error(err)
		}
	}
	sweep(time.Hour)
	stand("within the grace", old, theirs, now, mine)
	sweep(0)
	stand("after it", theirs, now, mine)

	if err := e.removeContainer(ctx, string(e.site)); err != nil {
		t.Fatal(err)
	}
	if err := (&uninstall{e: e}).purge(ctx); err != nil {
		t.Error(err)
	}
	stand("after a purge", theirs, mine)
	if _, err := e.c.ImageInspect(ctx, "somebody/ami:1"); err != nil {
		t.Error("an image of somebody's own has lost its name: ", err)
	}
	if _, err := e.c.ImageInspect(ctx, imageOf(theirs)); err != nil {
		t.Error("the other site's build has lost its name: ", err)
	}
}

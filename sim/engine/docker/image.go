package docker

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"

	"labsim/images"
	"labsim/sim"
)

// systemName is the repository of the system image.
const systemName = "labsim/linux"

// imageOf is the system image's reference for a build.
func imageOf(build string) string { return systemName + ":" + build }

// imageFor returns what a container of ref is made of. Sites share the name
// "latest": the site's own build stands behind it, whatever another has loaded.
func (e *Engine) imageFor(ref string) string {
	if ref == imageOf("latest") && e.build != "" {
		return imageOf(e.build)
	}
	return ref
}

// ensureImage loads the system image of that build, unless it stands. The tag
// "latest" goes with the load, so that it names what was installed last.
func (e *Engine) ensureImage(ctx context.Context, file, build string) (changed bool, err error) {
	in, err := e.c.ImageInspect(ctx, imageOf(build))
	if err == nil && in.Config != nil && in.Config.Labels[sim.LabelBuild] == build {
		return false, e.tagLatest(ctx, in.ID, in.RepoTags)
	}
	if err != nil && !notFound(err) {
		return false, err
	}
	archive, _, _, err := images.System(file)
	if err != nil {
		return false, err
	}
	defer archive.Close()
	resp, err := e.c.ImageLoad(ctx, archive)
	if err != nil {
		return false, fmt.Errorf("load %s: %w", imageOf(build), err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return false, err
	}
	// A load that fails halfway answers 200 and says so in its stream.
	if _, err := e.c.ImageInspect(ctx, imageOf(build)); err != nil {
		return false, fmt.Errorf("load %s: %w: %s", imageOf(build), err, strings.TrimSpace(string(said)))
	}
	// The load named it so already; this notes when it was named (see sweepImages).
	return true, e.c.ImageTag(ctx, imageOf(build), imageOf("latest"))
}

func (e *Engine) tagLatest(ctx context.Context, id string, tags []string) error {
	latest := imageOf("latest")
	for _, t := range tags {
		if t == latest {
			return nil
		}
	}
	return e.c.ImageTag(ctx, id, latest)
}

// anyImage returns a system image that stands: of the first of the builds that
// has one, else the one that was installed last, else any; "" if there is none.
func (e *Engine) anyImage(ctx context.Context, builds ...string) (ref, build string, err error) {
	list, err := e.c.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("label", sim.LabelBuild))})
	if err != nil {
		return "", "", err
	}
	best := -1
	for _, i := range list {
		if isRoot(i) {
			continue
		}
		b := i.Labels[sim.LabelBuild]
		rank := 0
		if slices.Contains(i.RepoTags, imageOf("latest")) {
			rank = 1
		}
		if at := slices.Index(builds, b); at >= 0 {
			rank = 2 + len(builds) - at
		}
		if rank > best {
			best, ref, build = rank, i.ID, b
		}
	}
	return ref, build, nil
}

// binaryOf takes labsim out of the system image: the build that was installed,
// also where the CLI has none for the engine's platform.
func (e *Engine) binaryOf(ref, build string) program {
	return program{Build: build, Open: func(ctx context.Context) (io.ReadCloser, int64, error) {
		made, err := e.c.ContainerCreate(ctx, &container.Config{
			Image: ref, Entrypoint: []string{systemBinary},
			Labels: map[string]string{sim.LabelSite: string(e.site), sim.LabelKind: kindOneshot},
		}, &container.HostConfig{NetworkMode: "none"}, nil, nil, "")
		if err != nil {
			return nil, 0, err
		}
		remove := func() { _ = e.removeContainer(context.WithoutCancel(ctx), made.ID) }
		r, _, err := e.c.CopyFromContainer(ctx, made.ID, systemBinary)
		if err != nil {
			remove()
			return nil, 0, err
		}
		t := tar.NewReader(r)
		head, err := t.Next()
		if err != nil {
			r.Close()
			remove()
			return nil, 0, err
		}
		return extract{t, r, remove}, head.Size, nil
	}}
}

// extract is a file inside a stream; closing it ends the stream and what served it.
type extract struct {
	io.Reader
	stream io.Closer
	then   func()
}

func (x extract) Close() error {
	err := x.stream.Close()
	x.then()
	return err
}

package docker

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"

	"labsim/sim"
)

// imageGrace spares what another labsim has loaded and is about to make its
// control of.
const imageGrace = 10 * time.Minute

// sweepImages removes the system images that no container was made of, of this
// site or another, unless they are of that build or were loaded within grace.
func (e *Engine) sweepImages(ctx context.Context, build string, grace time.Duration) error {
	list, err := e.idleImages(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, i := range list {
		if i.Labels[sim.LabelBuild] == build {
			continue
		}
		in, err := e.c.ImageInspect(ctx, i.ID)
		if err == nil && time.Since(in.Metadata.LastTagTime) >= grace {
			err = e.removeImage(ctx, i)
		}
		errs = append(errs, gone(err))
	}
	return errors.Join(errs...)
}

// imagesOfAnyBuild are the system images.
var imagesOfAnyBuild = image.ListOptions{Filters: filters.NewArgs(filters.Arg("label", sim.LabelBuild))}

// idleImages lists the system images of which there is no container. The image of
// a site that is up has one: its control.
func (e *Engine) idleImages(ctx context.Context) ([]image.Summary, error) {
	list, err := e.c.ImageList(ctx, imagesOfAnyBuild)
	if err != nil {
		return nil, err
	}
	containers, err := e.c.ContainerList(ctx, container.ListOptions{All: true})
	used := map[string]bool{}
	for _, c := range containers {
		used[c.ImageID] = true
	}
	return slices.DeleteFunc(list, func(i image.Summary) bool { return isRoot(i) || used[i.ID] }), err
}

// removeImage removes labsim's names of an image, and so the image. One of which
// somebody has made a container meanwhile stays, and one that somebody has given a
// name of their own: it is theirs.
func (e *Engine) removeImage(ctx context.Context, i image.Summary) error {
	ours := slices.DeleteFunc(slices.Clone(i.RepoTags), func(ref string) bool { return !strings.HasPrefix(ref, "labsim/") })
	if theirs := slices.DeleteFunc(slices.Clone(i.RepoTags), func(ref string) bool { return strings.HasPrefix(ref, "labsim/") || ref == "<none>:<none>" }); len(theirs) == 0 {
		ours = append(ours, i.ID)
	}
	var errs []error
	for _, ref := range ours {
		_, err := e.c.ImageRemove(ctx, ref, image.RemoveOptions{PruneChildren: true})
		if err != nil && !conflict(err) && !imageInUse(err) {
			errs = append(errs, gone(err))
		}
	}
	return errors.Join(errs...)
}

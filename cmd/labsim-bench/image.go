package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"os"
)

// systemImage is what labsim loads into the engine; all sites share its tag latest.
const systemImage = "labsim/linux"

// images are those that the bench has brought, and what was latest before.
type images struct {
	latest string // id, "" for none
	own    []string
}

// expect notes that a binary's image is about to be loaded.
func (i *images) expect(ctx context.Context, e *engine, binary string) error {
	if i.own == nil {
		i.latest, _ = e.imageID(ctx, systemImage+":latest")
	}
	f, err := os.Open(binary)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	ref := systemImage + ":" + hex.EncodeToString(h.Sum(nil))[:12] // as labsim names a build's
	if _, found := e.imageID(ctx, ref); !found {
		i.own = append(i.own, ref)
	}
	return nil
}

// forget removes the images that the bench has brought. The tag latest goes back
// to where it was: other sites start instances by it.
func (i *images) forget(ctx context.Context, e *engine) error {
	var errs []error
	for _, ref := range i.own {
		id, found := e.imageID(ctx, ref)
		if !found {
			continue
		}
		if latest, _ := e.imageID(ctx, systemImage+":latest"); latest == id {
			if i.latest != "" && i.latest != id {
				errs = append(errs, e.call(ctx, http.MethodPost, "/images/"+i.latest+"/tag?repo="+systemImage+"&tag=latest", nil, nil))
			} else {
				errs = append(errs, gone(e.call(ctx, http.MethodDelete, "/images/"+systemImage+":latest", nil, nil)))
			}
		}
		errs = append(errs, gone(e.call(ctx, http.MethodDelete, "/images/"+ref, nil, nil)))
	}
	return errors.Join(errs...)
}

func (e *engine) imageID(ctx context.Context, ref string) (id string, found bool) {
	var in struct{ ID string }
	err := e.call(ctx, http.MethodGet, "/images/"+ref+"/json", nil, &in)
	return in.ID, err == nil
}

package docker

import (
	"errors"
	"sync"
)

// all runs every f at once and returns their errors, joined.
func all(fs ...func() error) error { return atMost(len(fs), fs) }

// atMost runs every f, n of them at a time, and returns their errors, joined.
func atMost(n int, fs []func() error) error {
	if len(fs) == 0 {
		return nil
	}
	errs := make([]error, len(fs))
	slots := make(chan struct{}, n)
	var wg sync.WaitGroup
	for i, f := range fs {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs[i] = f()
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

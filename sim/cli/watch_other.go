//go:build !linux

package cli

import "time"

// watchEnd: here the end of a process that is no child of ours is no event.
func watchEnd(int) (wait func(limit time.Duration, gone func() bool)) { return poll }

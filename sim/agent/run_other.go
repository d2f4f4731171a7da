//go:build !linux

package agent

import (
	"context"
	"errors"
)

// Run fails: the agent is a plugin of an engine, and engines run on Linux.
func Run(context.Context) error { return errors.New("the agent runs on Linux only") }

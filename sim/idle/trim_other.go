//go:build !linux

package idle

import "runtime/debug"

// Trim returns free heap to the system.
func Trim() { debug.FreeOSMemory() }

//go:build unix

package cli

import (
	"os"
	"syscall"
)

// resizeSignal is sent when the terminal changes its size.
var resizeSignal os.Signal = syscall.SIGWINCH

package cli

import "os"

// resizeSignal: Windows has none.
var resizeSignal os.Signal

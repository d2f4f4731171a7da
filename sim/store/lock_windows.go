package store

import (
	"os"
	"time"
)

// lock leaves it to bbolt: here nobody writes a state file, it lies in a volume of
// the engine.
func lock(*os.File, time.Duration) error { return nil }

package idle

import (
	"sync"
	"time"
)

// quiet is how long nothing must have happened.
const quiet = 2 * time.Second

// Soon trims the process once nobody has called Soon again for a while. Call it
// after work that is not done all the time.
func Soon() { timer().Reset(quiet) }

var timer = sync.OnceValue(func() *time.Timer { return time.AfterFunc(quiet, Trim) })

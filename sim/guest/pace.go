package guest

import (
	"bytes"
	"time"

	"golang.org/x/time/rate"
)

// pace is how fast output may be handed on.
type pace struct{ bytes, lines *rate.Limiter }

// logPace is for Docker's log, where each line costs the engine some microseconds:
// in lines it is journald's (journald.conf, RateLimitIntervalSec and
// RateLimitBurst: 10,000 in 30 s), in bytes 64 KiB a second after a burst of 1 MiB,
// half of what Docker keeps.
func logPace() pace {
	return pace{bytes: rate.NewLimiter(64<<10, 1<<20), lines: rate.NewLimiter(10_000/30., 10_000)}
}

// streamPace is for somebody who follows the console from outside.
func streamPace() pace {
	return pace{bytes: rate.NewLimiter(1<<20, 1<<20), lines: rate.NewLimiter(rate.Inf, 0)}
}

// wait returns how long to pause after data.
func (p pace) wait(data []byte) time.Duration {
	now := time.Now()
	return max(p.bytes.ReserveN(now, len(data)).DelayFrom(now), p.lines.ReserveN(now, bytes.Count(data, lineEnd)).DelayFrom(now))
}

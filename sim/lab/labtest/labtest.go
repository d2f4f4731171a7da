// Package labtest holds what reads strangers' files to bounds of time and memory,
// in tests.
package labtest

import (
	"fmt"
	"runtime"
	"testing"
	"time"
)

// Bounds of one input. What honest labs take is a hundredth of it.
const (
	MaxTime  = 2 * time.Second
	MaxBytes = 256 << 20 // allocated, also what was given back
	// hung is when an input that has not ended is given up.
	hung = 30 * time.Second
)

// Bounded calls f and fails the test where it takes longer or allocates more than
// it may. A machine may be busy with something else, so f is called again before
// it is called slow. One that goes on without end ends the process: nothing else
// ends it, and it may take all memory.
func Bounded(t testing.TB, f func()) {
	t.Helper()
	took, bytes := measure(f)
	if took > MaxTime {
		again, _ := measure(f)
		took = min(took, again)
	}
	if took > MaxTime || bytes > MaxBytes {
		t.Errorf("it took %v and %d MiB, more than %v or %d MiB", took.Round(time.Millisecond), bytes>>20, MaxTime, MaxBytes>>20)
	}
}

func measure(f func()) (time.Duration, uint64) {
	before, began := allocated(), time.Now()
	ended := make(chan struct{})
	go func() { defer close(ended); f() }()
	watch := time.NewTicker(20 * time.Millisecond)
	defer watch.Stop()
	for {
		select {
		case <-ended:
			return time.Since(began), allocated() - before
		case <-watch.C:
		}
		if d, n := time.Since(began), allocated()-before; d > hung || n > 8*MaxBytes {
			panic(fmt.Sprintf("it goes on after %v and %d MiB", d, n>>20))
		}
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

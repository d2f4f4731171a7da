package limit

import (
	"log"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// What a Log writes at once, and how long it then waits for each further line.
const (
	logBurst = 100
	logEvery = time.Second
	logTells = 10 * time.Second // between two lines that say what was left out
)

// Log is for what strangers can make a process say as often as they like. It
// writes some of it into the process' log, and says how much it has left out. The
// zero value is ready.
type Log struct {
	once    sync.Once
	limiter *rate.Limiter

	mu      sync.Mutex
	left    int // lines left out since that was last said
	waiting bool
}

// Printf writes a line or counts it.
func (l *Log) Printf(format string, args ...any) {
	l.once.Do(func() { l.limiter = rate.NewLimiter(rate.Every(logEvery), logBurst) })
	if l.limiter.Allow() {
		log.Printf(format, args...)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left++
	if !l.waiting {
		l.waiting = true
		time.AfterFunc(logTells, l.tell)
	}
}

func (l *Log) tell() {
	l.mu.Lock()
	defer l.mu.Unlock()
	log.Printf("%d more lines of this kind in %v are left out", l.left, logTells)
	l.left, l.waiting = 0, false
}

package limit

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxRates bounds the buckets that a Rate remembers.
const maxRates = 4096

// Rate bounds how often each of many asks.
type Rate[K comparable] struct {
	each int // a second

	mu      sync.Mutex
	buckets map[K]*rate.Limiter
}

// NewRate allows each asker so many questions a second, and as many at once.
func NewRate[K comparable](each int) *Rate[K] {
	return &Rate[K]{each: each, buckets: map[K]*rate.Limiter{}}
}

// Allow reports whether k may ask at this time.
func (r *Rate[K]) Allow(now time.Time, k K) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	b, ok := r.buckets[k]
	if !ok {
		if len(r.buckets) >= maxRates {
			r.forget(now)
		}
		b = rate.NewLimiter(rate.Limit(r.each), r.each)
		r.buckets[k] = b
	}
	return b.AllowN(now, 1)
}

// forget drops who hasn't asked for a second, and knows nobody any more where all
// have: then so many ask that what they ask together is bounded elsewhere.
func (r *Rate[K]) forget(now time.Time) {
	for k, b := range r.buckets {
		if b.TokensAt(now) >= float64(r.each) {
			delete(r.buckets, k)
		}
	}
	if len(r.buckets) >= maxRates {
		clear(r.buckets)
	}
}

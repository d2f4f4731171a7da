package limit

import (
	"fmt"
	"strings"
	"sync"
)

// Pool counts what is held, by whom. Its bounds go from the whole to the single
// holder: of NewPool(100, 20, 5), 100 may be held together, 20 by all whose path
// begins with the same name, and 5 by one path of two names.
type Pool struct {
	most []int

	mu   sync.Mutex
	held map[string]int // by the path so far
}

// NewPool returns an empty pool.
func NewPool(most ...int) *Pool { return &Pool{most: most, held: map[string]int{}} }

// Full says that a holder has what it may.
type Full struct {
	Holder string // as its path; "": all together
	Most   int
}

func (f *Full) Error() string {
	if f.Holder == "" {
		return fmt.Sprintf("%d are held, which is all there are", f.Most)
	}
	return fmt.Sprintf("%s holds %d, which is all it may", f.Holder, f.Most)
}

// Take counts one more for a path, which has one name less than the pool has
// bounds, and returns what counts it back, however often it is called. The error
// is a *Full.
func (p *Pool) Take(path ...string) (release func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// The single holder first: a flood meets its own bound, not everybody's.
	for i := len(p.most) - 1; i >= 0; i-- {
		if at := prefix(path, i); p.held[at] >= p.most[i] {
			return nil, &Full{at, p.most[i]}
		}
	}
	p.add(path, 1)
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.add(path, -1)
	}), nil
}

// Held returns how many are held below a path; without one, all.
func (p *Pool) Held(path ...string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held[prefix(path, len(path))]
}

func (p *Pool) add(path []string, n int) {
	for i := range p.most {
		at := prefix(path, i)
		if p.held[at] += n; p.held[at] == 0 {
			delete(p.held, at) // names come and go
		}
	}
}

// prefix is the path's first n names. A name may be empty, so each ends with a
// slash.
func prefix(path []string, n int) string {
	if n == 0 {
		return ""
	}
	return strings.Join(path[:n], "/") + "/"
}

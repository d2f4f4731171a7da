package probe

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Random worlds, real packets: the verdict is the packet's fate, and the rules that
// it names have counted it. LABSIM_SEED repeats a run, LABSIM_PROBES makes a longer one.
func TestProbe(t *testing.T) {
	needNamespaces(t)
	o := Options{Seed: number(t, "LABSIM_SEED", rand.Uint64N(1<<32)), Packets: int(number(t, "LABSIM_PROBES", 200))}
	r, err := Run(t.Context(), o)
	var ends []string
	for _, f := range slices.Sorted(maps.Keys(r.Ends)) {
		ends = append(ends, fmt.Sprintf("%4d %s", r.Ends[f], f))
	}
	t.Logf("LABSIM_SEED=%d: %d packets in %d worlds, %d answered, %d sent again, in %v, that is %.1f worlds a second\n%s", o.Seed, r.Packets, r.Worlds, r.Answered, r.Again,
		r.Took.Round(1e6), float64(r.Worlds)/r.Took.Seconds(), strings.Join(ends, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	if r.Wrong != nil {
		t.Fatalf("evaluator and kernel disagree. %s", r.Wrong)
	}
}

// number reads a setting of the test's.
func number(t *testing.T, name string, usual uint64) uint64 {
	s := os.Getenv(name)
	if s == "" {
		return usual
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// needNamespaces skips the test where namespaces can't be made; in CI that fails.
func needNamespaces(t *testing.T) {
	t.Helper()
	s, err := newSpace()
	if err == nil {
		s.close()
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("this test needs root: %v", err)
	}
	t.Skipf("this test needs root: %v", err)
}

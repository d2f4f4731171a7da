package store

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"labsim/sim"
	"labsim/sim/world"
)

// grown is a state file with branches, free pages and rows that overflow theirs,
// the rows in it and those of the commit before the last.
func grown(t *testing.T) (file []byte, last, before map[string]string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "world.db")
	s := open(t, path)
	random := rand.New(rand.NewPCG(7, 7))
	for n := range 60 {
		var some []world.Change
		for k := range 12 {
			table := []string{"vpc", "instance", "volume", "setting"}[random.IntN(4)]
			id := fmt.Sprintf("%s-%04d", table, random.IntN(400))
			some = append(some, row(table, id, fmt.Sprintf(`{"ID":%q,"N":%d,"Text":%q}`, id, n*100+k, strings.Repeat("x", random.IntN(300)))))
		}
		some = append(some, world.Change{Table: "instance", ID: fmt.Sprintf("instance-%04d", random.IntN(400))})
		if n%20 == 0 {
			some = append(some, row("key-pair", "long", strings.Repeat("y", 9000)))
		}
		commit(t, s, some...)
		before, last = last, rows(t, s)
	}
	s.Close()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return file, last, before
}

// damage are the ways in which a file goes wrong, each with what it did.
var damage = []func(b []byte, r *rand.Rand) ([]byte, string){
	func(b []byte, r *rand.Rand) ([]byte, string) {
		n := 1 + r.IntN(8)
		for range n {
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		}
		return b, fmt.Sprint(n, " bits")
	},
	func(b []byte, r *rand.Rand) ([]byte, string) { // where the numbers stand that bbolt trusts
		at := r.IntN(len(b)/4096)*4096 + r.IntN(256)
		b[at] ^= 1 << r.IntN(8)
		return b, fmt.Sprint("a bit at ", at)
	},
	func(b []byte, r *rand.Rand) ([]byte, string) {
		n := r.IntN(len(b))
		return b[:n], fmt.Sprint("cut to ", n)
	},
	func(b []byte, r *rand.Rand) ([]byte, string) {
		n := r.IntN(len(b) / 4096)
		clear(b[n*4096:][:4096])
		return b, fmt.Sprint("page ", n, " zeroed")
	},
	func(b []byte, r *rand.Rand) ([]byte, string) {
		m, n := r.IntN(len(b)/4096), r.IntN(len(b)/4096)
		x, y := b[m*4096:][:4096], b[n*4096:][:4096]
		keep := bytes.Clone(x)
		copy(x, y)
		copy(y, keep)
		return b, fmt.Sprint("pages ", m, " and ", n, " swapped")
	},
	func(b []byte, r *rand.Rand) ([]byte, string) {
		n := r.IntN(len(b) / 4096)
		for i := range b[n*4096:][:4096] {
			b[n*4096+i] = byte(r.Uint32())
		}
		return b, fmt.Sprint("page ", n, " of noise")
	},
}

// A damaged file ends in the rows that were committed or in one error that says
// what to do: no panic, no fault, no endless loop, no wrong row.
func TestDamagedFile(t *testing.T) {
	file, last, before := grown(t)
	path := filepath.Join(t.TempDir(), "world.db")
	var right, older, refused int
	var slowest time.Duration
	for n := range 400 {
		r := rand.New(rand.NewPCG(uint64(n), 11))
		bad, what := damage[n%len(damage)](bytes.Clone(file), r)
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		got, wasOlder, err := load(path)
		slowest = max(slowest, time.Since(began))
		var f *sim.Failure
		switch {
		case errors.As(err, &f) && strings.Contains(fmt.Sprint(f.Next), "labsim state restore"):
			refused++
		case err != nil:
			t.Fatalf("%d, %s: %v", n, what, err)
		case maps.Equal(got, last) && !wasOlder:
			right++
		case wasOlder && (maps.Equal(got, last) || maps.Equal(got, before)):
			older++
		case len(bad) == 0: // as good as missing
		default:
			t.Errorf("%d, %s: opened with other rows", n, what)
		}
	}
	t.Logf("%d right, %d of the older head, %d refused; the slowest took %v", right, older, refused, slowest)
}

func load(path string) (rows map[string]string, older bool, err error) {
	s, err := Open(path)
	if err != nil {
		return nil, false, err
	}
	defer s.Close()
	rows = map[string]string{}
	for c, err := range s.Rows() {
		if err != nil {
			return nil, false, err
		}
		rows[c.Table+"/"+c.ID] = string(c.Data)
	}
	return rows, s.Older(), nil
}

// A row that was changed by somebody else than Commit is seen, as is one that is
// missing; what a labsim without sums has written is taken as it is.
func TestSum(t *testing.T) {
	path := filepath.Join(t.TempDir(), "world.db")
	s := open(t, path)
	commit(t, s, row("vpc", "vpc-1", "a"), row("vpc", "vpc-2", "b"))
	commit(t, s, row("vpc", "vpc-1", "c"), world.Change{Table: "vpc", ID: "vpc-2"})
	s.Close()
	s = open(t, path)
	withoutSum(t, s, "vpc", "vpc-1", "d")
	s.Close()
	if diff := fmt.Sprint(rows(t, open(t, path))); diff != "map[vpc/vpc-1:d]" {
		t.Errorf("written by an older labsim: %s", diff)
	}
}

package sim_test

import (
	"testing"

	"labsim/sim"
)

func TestReserve(t *testing.T) {
	t.Parallel()
	const mib, gib = 1 << 20, 1 << 30
	for _, c := range []struct {
		disk    sim.Disk
		reserve uint64
		short   bool
	}{
		{sim.Disk{}, 0, false}, // nothing is known
		{sim.Disk{Free: 10 * mib, Size: 100 * mib}, 5 * mib, false},
		{sim.Disk{Free: 5*mib - 1, Size: 100 * mib}, 5 * mib, true},
		{sim.Disk{Free: 1 * gib, Size: 20 * gib}, 1 * gib, false},
		{sim.Disk{Free: 1*gib - 1, Size: 500 * gib}, 1 * gib, true},
		{sim.Disk{Free: 0, Size: 500 * gib}, 1 * gib, true},
	} {
		if got := c.disk.Reserve(); got != c.reserve || c.disk.Short() != c.short {
			t.Errorf("%+v: reserve %d, short %v; want %d, %v", c.disk, got, c.disk.Short(), c.reserve, c.short)
		}
	}
}

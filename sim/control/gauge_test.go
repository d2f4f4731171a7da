package control

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"labsim/sim"
	"labsim/sim/ec2/wire"
	"labsim/sim/engine/none"
)

// shallow is an engine on a disk that fills.
type shallow struct {
	*none.Engine
	free atomic.Uint64
}

func (e *shallow) Disk() (sim.Disk, error) {
	return sim.Disk{Free: e.free.Load(), Size: 10 << 30}, nil
}

// Roots has each instance that stands on the disk, the later ones larger.
func (e *shallow) Roots(ctx context.Context) (map[sim.InstanceID]uint64, error) {
	o, err := e.Observe(ctx)
	if err != nil {
		return nil, err
	}
	out := map[sim.InstanceID]uint64{}
	for _, c := range o.Containers {
		if c.Kind == "instance" {
			out[sim.InstanceID(c.ID)] = uint64(c.PID) << 20
		}
	}
	return out, nil
}

// A short disk refuses launches, is in the status with the instance that takes most
// of it, and leaves alone what runs; with room again all goes on.
func TestShortDisk(t *testing.T) {
	e := &shallow{Engine: none.New()}
	e.free.Store(1 << 30)
	o := simulated()
	o.Engine = e
	b := start(t, o)
	_, subnet := b.network()
	first := b.launch(subnet)
	b.becomes(first, "running")
	second := b.launch(subnet)
	b.becomes(second, "running")
	b.converged()

	e.free.Store(100 << 20)
	launch := &wire.RunInstancesRequest{ImageId: new(b.image()), SubnetId: &subnet, MinCount: new(1), MaxCount: new(1)}
	b.eventually("the refusal names the larger one", func() bool {
		err := b.api.Do(t.Context(), "RunInstances", launch, nil)
		return sim.ErrorCode(err) == "InsufficientInstanceCapacity" && strings.Contains(err.Error(), second)
	})
	var s Status
	b.get("status", &s)
	if s.Short == nil || s.Short.Largest != sim.InstanceID(second) || s.Short.Free != 100<<20 || !s.Converged {
		t.Errorf("the status is %+v, short %+v", s, s.Short)
	}
	for _, id := range []string{first, second} {
		b.becomes(id, "running")
	}

	e.free.Store(1 << 30)
	b.becomes(b.launch(subnet), "running")
}

// A disk that can't be looked at keeps nobody from working.
func TestDiskUnknown(t *testing.T) {
	t.Parallel()
	g := newGauge(&blind{}, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if g.room().Short() {
		t.Error("a disk of which nothing is known is short")
	}
}

type blind struct{ none.Engine }

func (*blind) Disk() (sim.Disk, error) { return sim.Disk{Size: 1 << 30}, io.ErrUnexpectedEOF }

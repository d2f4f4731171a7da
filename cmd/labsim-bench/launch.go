package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"labsim/sim/ec2/wire"
)

const launchLab = `name: launch
x-labsim:
  vpcs:
    lab: { cidr_block: 10.9.0.0/16, internet_gateway: true }
  route_tables:
    public:
      routes: { 0.0.0.0/0: internet_gateway }
  security_groups:
    ssh:
      ingress: [{ tcp: [22], from: 0.0.0.0/0 }]
networks:
  public:
    ipam: { config: [{ subnet: 10.9.1.0/24 }] }
    x-labsim-subnet: { zone: a, route_table: public, map_public_ip_on_launch: true }
`

const (
	// manyStarts is how many starts are under way at once: as many as labsim's
	// reconciler has.
	manyStarts = 4
	manyRounds = 3
)

func benchLaunch(ctx context.Context, b *bench, r *report) error {
	file, err := b.lab("launch", launchLab)
	if err != nil {
		return err
	}
	b.say("making the site %s", b.site)
	if err := b.up(ctx, file); err != nil {
		return err
	}
	l, err := b.newLauncher(ctx, "launch")
	if err != nil {
		return err
	}
	network, err := b.bridge(ctx)
	if err != nil {
		return err
	}
	// one of each before anything is measured
	first, err := l.run(ctx, 1)
	if err != nil {
		return err
	}
	if err := banner(ctx, *first[0].PublicIpAddress, knockEvery); err != nil {
		return err
	}
	t, err := b.twinOf(ctx, *first[0].InstanceId, network)
	if err != nil {
		return err
	}
	if err := l.terminate(ctx, first); err != nil {
		return err
	}
	if err := b.launchOne(ctx, r, l, t); err != nil {
		return err
	}
	if err := b.launchMany(ctx, r, l, t); err != nil {
		return err
	}
	return b.atRest(ctx, r, l)
}

func (b *bench) launchOne(ctx context.Context, r *report, l *launcher, t *twin) error {
	b.say("one instance, %d pairs", b.rounds)
	var ours, theirs series
	err := inTurn(b.rounds,
		func(int) error {
			began := time.Now()
			list, err := l.run(ctx, 1)
			if err != nil {
				return err
			}
			if err := banner(ctx, *list[0].PublicIpAddress, knockEvery); err != nil {
				return err
			}
			ours = append(ours, ms(time.Since(began)))
			return l.terminate(ctx, list)
		},
		func(int) error {
			name, addr := b.site+"-twin", t.network.addr(0)
			began := time.Now()
			if err := b.engine.run(ctx, name, t.guest(addr)); err != nil {
				return err
			}
			if err := banner(ctx, addr, knockEvery); err != nil {
				return err
			}
			theirs = append(theirs, ms(time.Since(began)))
			return b.engine.remove(ctx, name)
		})
	r.compare("launch one", "ms", ours, theirs, atMost(1.15))
	r.note("launch: RunInstances to the first SSH banner at the public address, against create and start by the engine's API of the same image, PID 1 and limits on a user-defined bridge to the first SSH banner")
	return err
}

func (b *bench) launchMany(ctx context.Context, r *report, l *launcher, t *twin) error {
	rounds, manyAtOnce := min(b.rounds, manyRounds), b.size.many
	b.say("%d at once, %d pairs", manyAtOnce, rounds)
	var ours, theirs series
	err := inTurn(rounds,
		func(int) error {
			began := time.Now()
			list, err := l.run(ctx, manyAtOnce)
			if err != nil {
				return err
			}
			if err := each(manyAtOnce, manyAtOnce, func(i int) error { return banner(ctx, *list[i].PublicIpAddress, knockMany) }); err != nil {
				return err
			}
			ours = append(ours, ms(time.Since(began)))
			return l.terminate(ctx, list)
		},
		func(int) error {
			name := func(i int) string { return fmt.Sprintf("%s-twin-%d", b.site, i) }
			began := time.Now()
			up := make(chan error, 1)
			go func() {
				up <- each(manyAtOnce, manyStarts, func(i int) error { return b.engine.run(ctx, name(i), t.guest(t.network.addr(i))) })
			}()
			err := each(manyAtOnce, manyAtOnce, func(i int) error { return banner(ctx, t.network.addr(i), knockMany) })
			if uerr := <-up; uerr != nil {
				return uerr
			}
			if err != nil {
				return err
			}
			theirs = append(theirs, ms(time.Since(began)))
			return each(manyAtOnce, manyStarts, func(i int) error { return b.engine.remove(ctx, name(i)) })
		})
	r.compare(fmt.Sprintf("launch %d", manyAtOnce), "ms", ours, theirs, nil)
	r.note("launch %d: one RunInstances call to the last banner, against %d starts at a time, as labsim has (%d pairs)", manyAtOnce, manyStarts, rounds)
	return err
}

// each calls f for 0 to n-1, so many at once, and returns the first error.
func each(n, atOnce int, f func(int) error) error {
	var wg sync.WaitGroup
	var once sync.Once
	var first error
	slots := make(chan struct{}, atOnce)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := f(i); err != nil {
				once.Do(func() { first = err })
			}
		})
	}
	wg.Wait()
	return first
}

// atRest reads what everything takes while nothing happens.
func (b *bench) atRest(ctx context.Context, r *report, l *launcher) error {
	b.say("memory with %d instances at rest", b.size.rest)
	list, err := l.run(ctx, b.size.rest)
	if err != nil {
		return err
	}
	for _, i := range list {
		if err := banner(ctx, *i.PublicIpAddress, knockMany); err != nil {
			return err
		}
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(b.size.restTime):
	}
	if err := b.memory(ctx, r, list); err != nil {
		return err
	}
	st, err := os.Stat(b.binary)
	if err != nil {
		return err
	}
	r.value("labsim's binary", "MiB", series{float64(st.Size()) / (1 << 20)}, nil)
	r.note("memory: %d instances without user data, read after %v in which nothing was done; RSS counts the pages of the binary that are shared, PSS divides them among those who share", b.size.rest, b.size.restTime)
	return l.terminate(ctx, list)
}

func (b *bench) memory(ctx context.Context, r *report, guests []wire.Instance) error {
	for _, p := range []struct {
		name, kind string
		aim        float64
	}{{"control", "control", 30}, {"edge", "edge", 4}} {
		ids, err := b.engine.list(ctx, "labsim.site="+b.site, "labsim.kind="+p.kind)
		if err != nil || len(ids) != 1 {
			return fmt.Errorf("%d containers of kind %s, want 1: %w", len(ids), p.kind, err)
		}
		m, err := b.memoryOf(ctx, ids[0])
		if err != nil {
			return err
		}
		r.value(p.name+" at rest, RSS", "MiB", series{m.rss}, atMost(p.aim))
	}
	m, err := b.agentMemory(ctx)
	if err != nil {
		return err
	}
	r.value("agent at rest, RSS", "MiB", series{m.rss}, atMost(20))
	var pss series
	for _, i := range guests {
		id, err := b.containerOf(ctx, *i.InstanceId)
		if err != nil {
			return err
		}
		m, err := b.memoryOf(ctx, id)
		if err != nil {
			return err
		}
		pss = append(pss, m.pss)
	}
	r.value("an instance's PID 1, PSS", "MiB", pss, atMost(2.5))
	return nil
}

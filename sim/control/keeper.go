package control

import (
	"context"
	"log/slog"
	"time"
)

// firstAgent is how long an agent may stay away when control starts: `up` brings
// the two up side by side, and an engine its plugins before its containers.
const firstAgent = 10 * time.Second

// keeper has the agent put back whenever it is not connected, as somebody may have
// removed it: without it no instance starts, and the engine's next boot takes
// minutes.
type keeper struct {
	config *configurer
	keep   func(context.Context) error // Options.KeepAgent
	look   chan struct{}               // buffered: the engine has changed
	log    *slog.Logger
}

// engineChanged makes it look again, if there is something to look for.
func (k *keeper) engineChanged() {
	select {
	case k.look <- struct{}{}:
	default:
	}
}

func (k *keeper) run(ctx context.Context) {
	await(ctx, firstAgent, k.config.connected(), nil)
	for wait := time.Duration(0); ctx.Err() == nil; {
		select {
		case <-ctx.Done():
			return
		case <-k.config.disconnected():
		}
		select {
		case <-k.look: // what has changed so far will be seen
		default:
		}
		if err := k.keep(ctx); err != nil && ctx.Err() == nil {
			wait = backoff(wait)
			k.log.Warn("the agent can't be put back", "error", err, "next", wait)
			await(ctx, wait, k.config.connected(), nil) // its own tries change the engine too
			continue
		}
		wait = 0
		await(ctx, resync, k.config.connected(), k.look) // one that is well connects by itself
	}
}

// await sleeps for d, or until one of the channels has something to say, or ctx ends.
func await(ctx context.Context, d time.Duration, a, b <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-a:
	case <-b:
	case <-t.C:
	case <-ctx.Done():
	}
}

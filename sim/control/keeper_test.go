package control

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// The agent is put back as soon as it is away, until that succeeds, and left
// alone while it is connected and while control starts.
func TestKeeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // guards what follows: a timer that fires orders nothing
		began := time.Now()
		var asked []time.Duration
		var result error
		answer := func(err error) { mu.Lock(); result = err; mu.Unlock() }
		k := &keeper{config: newConfigurer(nil, func() {}, slog.New(slog.DiscardHandler)), look: make(chan struct{}, 1), log: slog.New(slog.DiscardHandler)}
		k.keep = func(context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, time.Since(began))
			return result
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { k.run(ctx); close(done) }()
		expect := func(what string, want ...time.Duration) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if len(asked) != len(want) {
				t.Fatalf("%s: asked after %v, want %v", what, asked, want)
			}
			for i := range want {
				if asked[i] != want[i] {
					t.Fatalf("%s: asked after %v, want %v", what, asked, want)
				}
			}
			asked, began = nil, time.Now()
		}
		time.Sleep(firstAgent - time.Second)
		k.config.noticed(NodeState{Session: 1})
		time.Sleep(time.Minute)
		k.engineChanged()
		expect("connected")

		answer(errors.New("no"))
		k.config.noticed(NodeState{})
		time.Sleep(time.Second)
		expect("away, in vain", 0, 250*time.Millisecond, 750*time.Millisecond)
		answer(nil)
		time.Sleep(time.Second)
		expect("away, well", 750*time.Millisecond) // the third pause was a second
		k.engineChanged()
		expect("the engine has changed", 0)
		k.config.noticed(NodeState{Session: 2})
		time.Sleep(time.Minute)
		expect("back")
		cancel()
		<-done
	})
}

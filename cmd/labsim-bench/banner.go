package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"
)

const (
	// knockEvery is how exactly the first banner's time is known. There is no
	// event to wait for: an instance that has no address yet can't tell.
	knockEvery = 5 * time.Millisecond
	// knockMany is for many at once: their knocking must not be what is measured.
	knockMany = 50 * time.Millisecond
	// knockTimeout is how long one try may last. Tries overlap, so that a packet
	// that was sent too early costs no time.
	knockTimeout  = 500 * time.Millisecond
	bannerTimeout = time.Minute
)

// banner returns when an SSH server at addr has said who it is. every is how
// often it is asked.
func banner(ctx context.Context, addr string, every time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, bannerTimeout, fmt.Errorf("%s: no SSH banner within %v", addr, bannerTimeout))
	defer cancel()
	answered := make(chan struct{}, 1)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		go func() {
			if knock(ctx, net.JoinHostPort(addr, "22")) {
				select {
				case answered <- struct{}{}:
				default:
				}
			}
		}()
		select {
		case <-answered:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

func knock(ctx context.Context, addr string) bool {
	d := net.Dialer{Timeout: knockTimeout}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(knockTimeout))
	var head [4]byte
	_, err = io.ReadFull(c, head[:])
	return err == nil && string(head[:]) == "SSH-"
}

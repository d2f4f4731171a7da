package cli

import "time"

// poll looks again and again whether gone is so, until limit has passed.
func poll(limit time.Duration, gone func() bool) {
	for until := time.Now().Add(limit); !gone() && time.Now().Before(until); {
		time.Sleep(20 * time.Millisecond)
	}
}

//go:build linux

package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

func init() {
	attacks["flood"] = attack{"NETWORK ADDRESS COUNT: connect so often, send nothing, and hold what stays until standard input ends", flood}
	attacks["metadata"] = attack{"COUNT: read the instance's id from the metadata service so often, on a connection each, and say how long that took", timeMetadata}
}

// floodWorkers is how many connections are begun at the same time.
const floodWorkers = 64

// flood says "connected N, failed M" when it has tried them all, and "held N" at
// the end: how many the other side has not closed.
func flood(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("flood NETWORK ADDRESS COUNT")
	}
	count, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	var left, connected, failed, held atomic.Int64
	left.Store(int64(count))
	var workers sync.WaitGroup
	for range floodWorkers {
		workers.Go(func() {
			for left.Add(-1) >= 0 {
				c, err := net.DialTimeout(args[0], args[1], 5*time.Second)
				if err != nil {
					failed.Add(1)
					continue
				}
				connected.Add(1)
				held.Add(1)
				go func() {
					io.Copy(io.Discard, c)
					held.Add(-1)
					c.Close()
				}()
			}
		})
	}
	workers.Wait()
	fmt.Printf("connected %d, failed %d\n", connected.Load(), failed.Load())
	io.Copy(io.Discard, os.Stdin)
	fmt.Printf("held %d\n", settled(&held))
	return nil
}

// settled waits until a number stays for a second, as what waits in the kernel to be
// accepted is not closed yet.
func settled(n *atomic.Int64) int64 {
	last, since := n.Load(), time.Now()
	for range 100 {
		time.Sleep(100 * time.Millisecond)
		if now := n.Load(); now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) > time.Second {
			break
		}
	}
	return last
}

// timeMetadata says "failed N, median D, p99 D".
func timeMetadata(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("metadata COUNT")
	}
	count, err := strconv.Atoi(args[0])
	if err != nil || count < 1 {
		return fmt.Errorf("COUNT is a number above 0, not %q", args[0])
	}
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	var took []time.Duration
	failed := 0
	for range count {
		began := time.Now()
		resp, err := client.Get("http://169.254.169.254/latest/meta-data/instance-id")
		if err == nil {
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		if err != nil || resp.StatusCode != http.StatusOK {
			failed++
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	fmt.Printf("failed %d, median %v, p99 %v\n", failed, took[count/2].Round(10*time.Microsecond), took[count*99/100].Round(10*time.Microsecond))
	return nil
}

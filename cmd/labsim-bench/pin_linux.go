package main

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// pin keeps the goroutine on one thread and that on one CPU, the same for all who
// call it. It is undone with the thread, when the goroutine ends.
func pin() error {
	runtime.LockOSThread()
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return err
	}
	for cpu := 0; one.Count() == 0; cpu++ {
		if all.IsSet(cpu) {
			one.Set(cpu)
		}
	}
	return unix.SchedSetaffinity(0, &one)
}

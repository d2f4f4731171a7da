//go:build linux

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

func init() {
	attacks["fill"] = attack{"FILE MIB [keep]: lets a file grow by so much, at once, and takes that back unless told to keep it", fill}
}

// fill grows the file MiB by MiB, so that it gets as much as there is.
func fill(args []string) error {
	mib, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return err
	}
	_, missing := os.Stat(args[0])
	f, err := os.OpenFile(args[0], os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		fmt.Println("0 KiB:", err)
		return nil
	}
	defer f.Close()
	was, err := f.Seek(0, 2)
	if err != nil {
		return err
	}
	got, err := grow(f, was, mib<<20)
	fmt.Printf("%d KiB: %v\n", got>>10, err)
	if len(args) > 2 {
		return nil
	}
	if errors.Is(missing, fs.ErrNotExist) {
		return os.Remove(args[0])
	}
	return f.Truncate(was)
}

func grow(f *os.File, from, most int64) (got int64, err error) {
	for step := int64(1 << 20); got < most && step >= 4<<10; {
		err = unix.Fallocate(int(f.Fd()), 0, from+got, step)
		if err == nil {
			got += step
			continue
		}
		step /= 2
	}
	return got, err
}

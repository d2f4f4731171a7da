//go:build linux

package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// trace says for each way into another process what came of it.
func trace(args []string) error {
	pid, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	runtime.LockOSThread() // who traces is a thread
	for _, way := range []struct {
		name string
		try  func(pid int) error
	}{
		{"seize", seize}, {"attach", attach}, {"memory", openMemory}, {"read", readMemory}, {"descriptors", takeDescriptor}, {"program", openProgram},
	} {
		fmt.Printf("%s: %v\n", way.name, orSuccess(way.try(pid)))
	}
	return nil
}

func orSuccess(err error) any {
	if err == nil {
		return "success"
	}
	return err
}

func seize(pid int) error {
	if err := unix.PtraceSeize(pid); err != nil {
		return err
	}
	if err := unix.PtraceInterrupt(pid); err != nil {
		return err
	}
	return letGo(pid)
}

func attach(pid int) error {
	if err := unix.PtraceAttach(pid); err != nil {
		return err
	}
	return letGo(pid)
}

// letGo lets a process that is being stopped go on as it was.
func letGo(pid int) error {
	if _, err := unix.Wait4(pid, nil, unix.WALL, nil); err != nil {
		return err
	}
	return unix.PtraceDetach(pid)
}

func openMemory(pid int) error {
	f, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if err == nil {
		f.Close()
	}
	return err
}

// textStart is where a static program of Go begins.
const textStart = 0x400000

func readMemory(pid int) error {
	buf := make([]byte, 4)
	_, err := unix.ProcessVMReadv(pid, []unix.Iovec{{Base: &buf[0], Len: 4}}, []unix.RemoteIovec{{Base: textStart, Len: 4}}, 0)
	return err
}

func takeDescriptor(pid int) error {
	process, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	defer unix.Close(process)
	fd, err := unix.PidfdGetfd(process, 0, 0)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

func openProgram(pid int) error {
	f, err := os.Open(fmt.Sprintf("/proc/%d/exe", pid))
	if err == nil {
		f.Close()
	}
	return err
}

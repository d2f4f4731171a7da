//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"time"
)

func init() {
	attacks["console"] = attack{"DURATION: writes lines to /dev/console as fast as it can", floodConsole}
}

func floodConsole(args []string) error {
	d, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	f, err := os.OpenFile("/dev/console", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	block := bytes.Repeat([]byte("y\n"), 4<<10)
	n := 0
	for end := time.Now().Add(d); time.Now().Before(end); n++ {
		if _, err := f.Write(block); err != nil {
			return err
		}
	}
	fmt.Printf("%d lines\n", n*len(block)/2)
	return nil
}

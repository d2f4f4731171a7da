//go:build !linux

package main

// runGuest: instances are Linux.
func runGuest(string, []string) (code int, ok bool) { return 0, false }

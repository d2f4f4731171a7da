//go:build !linux

package main

// pin does nothing: what is measured runs on Linux.
func pin() error { return nil }

// Package applet is the frame of the small tools: how one is called, how it
// reads its flags and how it fails.
package applet

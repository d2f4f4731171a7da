//go:build !linux

package oneshot

// kernel: one-shots run on Linux only.
func kernel() Features { return Features{Missing: map[string]string{"linux": "not a Linux kernel"}} }

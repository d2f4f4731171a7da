package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
)

// machine says where a run was made: without it no figure means much.
type machine struct {
	CPUs                           int
	Engine, Storage, Kernel, CPU   string
	LoadBefore                     string // of the last minute
	MemoryGiB                      float64
	OperatingSystem, CgroupVersion string
}

func aboutMachine(ctx context.Context, e *engine) (machine, error) {
	var info struct {
		NCPU                                                                 int
		MemTotal                                                             float64
		ServerVersion, Driver, KernelVersion, OperatingSystem, CgroupVersion string
	}
	if err := e.call(ctx, http.MethodGet, "/info", nil, &info); err != nil {
		return machine{}, fmt.Errorf("ask Docker about itself: %w", err)
	}
	m := machine{CPUs: info.NCPU, MemoryGiB: info.MemTotal / (1 << 30), Engine: info.ServerVersion, Storage: info.Driver,
		Kernel: info.KernelVersion, OperatingSystem: info.OperatingSystem, CgroupVersion: info.CgroupVersion, CPU: cpuModel()}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.LoadBefore, _, _ = strings.Cut(string(load), " ")
	}
	return m, nil
}

func cpuModel() string {
	data, _ := os.ReadFile("/proc/cpuinfo")
	for l := range strings.Lines(string(data)) {
		if k, v, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(k) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return runtime.GOARCH
}

func (m machine) String() string {
	return fmt.Sprintf("%d CPUs (%s), %.0f GiB, %s, kernel %s, Docker %s on %s, cgroup v%s, load before %s",
		m.CPUs, m.CPU, m.MemoryGiB, m.OperatingSystem, m.Kernel, m.Engine, m.Storage, m.CgroupVersion, m.LoadBefore)
}

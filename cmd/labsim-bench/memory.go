package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// memory of a process, in MiB.
type memory struct{ rss, pss float64 }

// memoryOf reads the memory of a container's first process.
func (b *bench) memoryOf(ctx context.Context, id string) (memory, error) {
	c, err := b.engine.inspect(ctx, id)
	if err != nil {
		return memory{}, err
	}
	return readMemory(c.State.Pid)
}

func readMemory(pid int) (memory, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return memory{}, fmt.Errorf("the memory of another user's processes is root's to read: %w", err)
	}
	return parseMemory(data)
}

// parseMemory reads smaps_rollup (proc(5)).
func parseMemory(data []byte) (m memory, err error) {
	found := 0
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) != 3 || f[2] != "kB" {
			continue
		}
		kib, err := strconv.ParseFloat(f[1], 64)
		if err != nil {
			return m, fmt.Errorf("smaps_rollup: %q: %w", lines.Text(), err)
		}
		switch f[0] {
		case "Rss:":
			m.rss, found = kib/1024, found+1
		case "Pss:":
			m.pss, found = kib/1024, found+1
		}
	}
	if found != 2 {
		return m, fmt.Errorf("smaps_rollup has %d of Rss and Pss", found)
	}
	return m, nil
}

// agentMemory finds the plugin's process by its control group, which carries the
// plugin's id: Docker tells no process of a plugin.
func (b *bench) agentMemory(ctx context.Context) (memory, error) {
	var plugin struct{ ID string }
	if err := b.engine.call(ctx, http.MethodGet, "/plugins/"+b.site+":latest/json", nil, &plugin); err != nil {
		return memory{}, err
	}
	groups, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		return memory{}, err
	}
	for _, file := range groups {
		data, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(data, []byte(plugin.ID)) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			return memory{}, err
		}
		return readMemory(pid)
	}
	return memory{}, fmt.Errorf("no process of the plugin %s on this machine", plugin.ID)
}

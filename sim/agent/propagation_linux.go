package agent

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// What is mounted below the plugin's PropagatedMount reaches containers because
// Docker mounts that directory onto itself, shared, before it starts the agent.
// An engine that was killed ends the agent that it finds when it starts again,
// and starts another; its cleaning up after the first (moby,
// plugin/manager_linux.go, HandleExitEvent) may come so late that it takes the
// second one's shared mount away. Containers then see empty directories. Only a
// process that Docker starts gets the mount anew.

// errCutOff is what a new process does not have.
var errCutOff = errors.New("what is mounted here is not seen on the engine's machine any more; the agent starts again, and it is tried again")

// propagates returns errCutOff if dir is no shared mount any more, or one of which
// the engine's machine has no peer.
func (e *engine) propagates(dir string) error {
	ours, err := peerGroups()
	group, shared := ours[dir]
	if err != nil || e.mnt == nil {
		return err
	}
	var theirs map[string]string
	err = e.in(func() (err error) { theirs, err = peerGroups(); return err })
	if err == nil && (!shared || !slices.Contains(slices.Collect(maps.Values(theirs)), group)) {
		return errCutOff
	}
	return err
}

// peerGroups returns the peer groups of the shared mounts that the calling thread
// sees, by mount point (proc_pid_mountinfo(5), field 7).
func peerGroups() (map[string]string, error) {
	f, err := os.Open("/proc/thread-self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	groups := map[string]string{}
	s := bufio.NewScanner(f)
	for s.Scan() {
		field := strings.Fields(s.Text())
		if len(field) < 7 {
			return nil, fmt.Errorf("mountinfo has a line %q", s.Text())
		}
		end := max(6, slices.Index(field, "-"))
		for _, option := range field[6:end] {
			if g, ok := strings.CutPrefix(option, "shared:"); ok {
				groups[field[4]] = g
			}
		}
	}
	return groups, s.Err()
}

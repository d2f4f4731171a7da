package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"testing"
	"time"
)

// TestDiskFull fills every disk that labsim writes to: it says which one is full,
// and goes on once there is room.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	if !long {
		t.Skip("LABSIM_LONG=1 runs the slow cases")
	}
	m := newMachine(t)
	data, state := m.disk("/var/lib/labsim/"+m.site, 64<<20), m.disk("/var/lib/state", 2<<20)
	m.run("docker volume create -d local -o type=none -o o=bind -o device=/var/lib/state" +
		" --label labsim.site=" + m.site + " --label labsim.kind=state " + m.site + "-state")
	const full = `(?s)the engine's disk is full: .*docker system prune --filter.* up   # goes on`

	t.Log("control can't begin its state")
	state.fill(0)
	m.must(1, `(?s)control of the site `+m.site+` does not start: there is no space left on the disk that holds /state/world.db.*Free some space`, "up")
	state.clear()

	t.Log("control can't write more of it")
	state.fill(32 << 10) // an empty one takes 24 KiB
	m.must(1, full, "up")
	m.must(1, `엔진 디스크가 가득 찼습니다`, "--lang", "ko", "up")
	state.clear()

	t.Log("the private key can't be kept")
	m.homeFull(func() { m.must(1, `there is no space left on the disk of .*lab.pem.new\n`, "up") })

	t.Log("the agent can't keep its config, nor make a volume")
	data.fill(0)
	m.must(1, full, "up")
	data.clear()
	m.must(0, `5 ✓ Access`, "up")
	m.visits = m.user.visits()

	t.Log("a guest can't write")
	m.must(0, ``, "exec", "db", "--", "sync")
	data.fill(0)
	m.must(0, ``, "exec", "db", "--", "sh", "-c", "cp /.labsim/init /data/big; sync")
	m.must(1, `(?s)5 ✗ Access .*volume vol-\w+: no space left on the engine's disk, which holds its data.*docker system prune --filter`, "up")
	data.clear()
	m.must(0, ``, "reboot", "db")
	m.must(0, `5 ✓ Access`, "up")
	if n := m.user.visits(); n <= m.visits {
		t.Errorf("visit %d, before it was %d", n, m.visits)
	}
	m.must(0, ``, "down", "--yes", "--volumes")
}

// disk is one of the machine's, which may be filled.
type disk struct {
	m  *machine
	at string
}

func (m *machine) disk(at string, size int) disk {
	m.t.Helper()
	m.run(fmt.Sprintf("mkdir -p %s && mount -t tmpfs -o size=%d,mode=755 tmpfs %s", at, size, at))
	return disk{m, at}
}

// fill leaves so many bytes.
func (d disk) fill(left int) {
	d.m.run(fmt.Sprintf("cd %s && ! cat /dev/zero > filler 2>/dev/null && truncate -s -%d filler", d.at, left))
}

func (d disk) clear() { d.m.run("rm " + d.at + "/filler") }

// run runs a shell command on the machine.
func (m *machine) run(line string) {
	m.t.Helper()
	c := m.engine.Inside("sh", "-c", line)
	c.Env = append(os.Environ(), "DOCKER_HOST="+m.engine.Host())
	if out, err := c.CombinedOutput(); err != nil {
		m.t.Fatalf("%s: %v\n%s", line, err, out)
	}
}

// homeFull has the user's home on a full disk while f runs.
func (m *machine) homeFull(f func()) {
	m.t.Helper()
	fill := fmt.Sprintf("mkdir -p %[1]s && mount -t tmpfs -o size=4k tmpfs %[1]s && head -c 4096 /dev/zero > %[1]s/filler && exec \"$@\"", m.state())
	enter := m.enter
	m.enter = func() []string { return append(enter(), "unshare", "--mount", "sh", "-c", fill, "home") }
	f()
	m.enter = enter
}

// TestDiskShort has a guest take so much of the engine's disk that less than the
// reserve is left: no instance starts and its name is told, while the rest goes on.
func TestDiskShort(t *testing.T) {
	t.Parallel()
	if !long {
		t.Skip("LABSIM_LONG=1 runs the slow cases")
	}
	m := newMachineOff(t)
	engine := m.disk(m.engine.Disk(), 512<<20) // the reserve is 25 MiB of it
	m.boot()
	m.must(0, `5 ✓ Access`, "up")
	at := slices.IndexFunc(m.status(), func(s standing) bool { return s.Name == "web" })
	web := m.status()[at]
	m.must(0, ``, "exec", "web", "--", "sh", "-c", "head -c 104857600 /dev/zero > big")
	m.must(0, ``, "stop", "db")
	engine.fill(10 << 20)

	refusal := `(?s)InsufficientInstanceCapacity: .*has (9|10) MiB left, less than the 25 MiB .* root disk of ` + web.ID + ` has grown most: 100 MiB`
	named := time.Now().Add(rootsPatience)
	for {
		out, code := m.call("start", "db")
		if code == 1 && regexp.MustCompile(refusal).MatchString(out) {
			break
		}
		if code == 0 || time.Now().After(named) {
			t.Fatalf("start db: exit %d, want 1 with %s:\n%s", code, refusal, out)
		}
	}
	m.must(1, `(?s)the engine's disk has (9|10) MiB left.*no instance starts.*`+web.ID+` has grown most: 100 MiB.*docker system prune --filter`, "status")
	m.must(1, web.ID+`\(100 MiB\)|루트 디스크가 가장 많이 커진 인스턴스는 `+web.ID, "--lang", "ko", "status")
	m.must(0, `only (9|10) MiB are free on the engine's disk; labsim keeps 25 MiB free`, "doctor")
	m.must(0, ``, "exec", "web", "--", "true")
	m.must(0, ``, "reboot", "web")

	m.must(0, ``, "exec", "web", "--", "rm", "big")
	m.must(0, ``, "start", "db")
	m.must(0, `5 ✓ Access`, "up")
	m.must(0, ``, "down", "--yes", "--volumes")
}

// rootsPatience is how long control may take to find the largest root disk.
const rootsPatience = time.Minute

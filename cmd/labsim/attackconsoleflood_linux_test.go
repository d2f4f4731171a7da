package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// consoleFlood: what a guest writes to its console costs the engine, whose time no
// quota of the guest counts, so little of it gets there; what is lost is said, and
// the last line is there.
func consoleFlood(u *user) {
	attached := exec.Command("docker", "attach", "--no-stdin", "--sig-proxy=false", u.container("web"))
	out, err := attached.StdoutPipe()
	if err == nil {
		err = attached.Start()
	}
	if err != nil {
		u.t.Fatal(err)
	}
	lines := make(chan int)
	go func() {
		n, buf := 0, make([]byte, 64<<10)
		for {
			got, err := out.Read(buf)
			n += bytes.Count(buf[:got], []byte("\n"))
			if err != nil {
				lines <- n
				return
			}
		}
	}()
	const took = 3
	before, began := engineTime(u.t), time.Now()
	written := u.attack("web", "console", fmt.Sprint(took, "s"))
	busy, during := engineTime(u.t)-before, time.Since(began)
	u.must(0, ``, "exec", "web", "--", "sh", "-c", "echo the last line > /dev/console")
	u.must(0, `(?s)labsim: \.\.\. \d+ lines dropped|y\nthe last line\n`, "logs", "web")
	_ = attached.Process.Kill()
	passed := <-lines
	_ = attached.Wait()
	u.t.Logf("%s written, %d got to the log; the engine worked %.2f s in %.1f s", written, passed, busy.Seconds(), during.Seconds())
	// A burst of 10,000 and 333 a second, 4 KiB at a time.
	if most := 10_000 + 400*int(during.Seconds()+2) + 4096; passed > most {
		u.t.Errorf("%d lines got to the container's log, want at most %d", passed, most)
	}
}

// engineTime is the processor time that the engine's daemon has used, whoever for.
func engineTime(t *testing.T) time.Duration {
	t.Helper()
	pid, err := os.ReadFile("/var/run/docker.pid")
	var stat []byte
	if err == nil {
		stat, err = os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/stat")
	}
	var user, system int
	if err == nil { // utime and stime are the fields 14 and 15 (proc_pid_stat(5))
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		_, err = fmt.Sscan(fields[11]+" "+fields[12], &user, &system)
	}
	if err != nil {
		t.Logf("the engine's time is not known: %v", err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

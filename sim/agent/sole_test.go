//go:build linux

package agent

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// envSole makes this test's binary an agent that does nothing but be the only one.
const envSole = "LABSIM_TEST_SOLE"

func init() {
	if path := os.Getenv(envSole); path != "" {
		lock, err := sole(path)
		if err != nil {
			panic(err)
		}
		defer lock.Close()
		os.Stdout.WriteString("alone\n")
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
}

// An agent ends one that was there before, whatever state it is in.
func TestSole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.lock")
	for name, before := range map[string]func(*os.Process) error{
		"lives": func(*os.Process) error { return nil },
		"hangs": func(p *os.Process) error { return p.Signal(syscall.SIGSTOP) },
	} {
		t.Run(name, func(t *testing.T) {
			elder, _ := startSole(t, path)
			if err := before(elder.Process); err != nil {
				t.Fatal(err)
			}
			younger, in := startSole(t, path)
			err := elder.Wait()
			if s, ok := elder.ProcessState.Sys().(syscall.WaitStatus); !ok || s.Signal() != syscall.SIGKILL {
				t.Errorf("the elder: %v, want it killed", err)
			}
			in.Close()
			if err := younger.Wait(); err != nil {
				t.Errorf("the younger: %v", err)
			}
		})
	}
}

// startSole returns once the process has the lock; it ends with its input.
func startSole(t *testing.T, path string) (*exec.Cmd, io.Closer) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), envSole+"="+path)
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill() })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("%q, %v", line, err)
	}
	return c, in
}

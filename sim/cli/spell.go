package cli

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"labsim/sim"
)

// spell returns a command of labsim as the user can paste it: by its bare name
// where PATH leads to this build, else as labsim was called.
func (a *app) spell(args string) string {
	return strings.TrimSpace(a.self() + " " + args)
}

// self is how this program was called, with the site that is meant.
func (a *app) self() string {
	if a.site == "" || a.site == string(sim.DefaultSite) {
		return self()
	}
	return self() + " --site " + a.site
}

// command is a command of labsim that somebody else has made: the AWS CLI in it,
// at the beginning or within, is labsim's, never the one that reaches AWS.
func command(c string) sim.Text {
	return sim.Cmd("%s", "labsim "+strings.ReplaceAll(c, "$(aws ", "$(labsim aws "))
}

// respell spells the commands of labsim within a text.
func (a *app) respell(s string) string {
	own := a.self() + " "
	if strings.HasPrefix(s, "labsim ") {
		s = own + strings.TrimPrefix(s, "labsim ")
	}
	for _, before := range []string{": ", "$("} {
		s = strings.ReplaceAll(s, before+"labsim ", before+own)
	}
	return s
}

// self is how this program was called. `go run` leaves its traces in the
// parent's command line.
func self() string {
	exe, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	if onPath, err := exec.LookPath("labsim"); err == nil && sameFile(onPath, exe) {
		return "labsim"
	}
	if strings.Contains(exe, "go-build") {
		if cmd, ok := goRun(); ok {
			return cmd
		}
		return "go run ./cmd/labsim"
	}
	return os.Args[0]
}

func sameFile(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

// goRun reads "go run PACKAGE" out of the parent's command line (Linux).
func goRun() (string, bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", os.Getppid()))
	if err != nil {
		return "", false
	}
	words := strings.Split(string(bytes.TrimRight(data, "\x00")), "\x00")
	if len(words) < 3 || filepath.Base(words[0]) != "go" || words[1] != "run" {
		return "", false
	}
	for i, w := range words[2:] {
		if !strings.HasPrefix(w, "-") {
			return "go " + strings.Join(words[1:i+3], " "), true
		}
	}
	return "", false
}

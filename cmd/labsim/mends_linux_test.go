package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"labsim/sim"
)

// TestMendsItself breaks one thing at a time behind labsim's back, of the kind that
// it puts back without being told to, and without a restart of the instances.
func TestMendsItself(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.must(0, `5 ✓ Access`, "up")
	u.must(0, ``, "exec", "db", "--", "sh", "-c", "echo here >/mark")
	db := u.pid("custom-vpc-db")
	for _, c := range []struct {
		name string
		do   func()
	}{
		{"edge disconnected", func() {
			u.docker("network", "disconnect", "--force", u.site+"-internet", u.sh("docker ps --format '{{.Names}}' --filter name="+u.site+"-edge"))
		}},
		{"instance disconnected", func() {
			name := u.container("db")
			u.docker("network", "disconnect", "--force", u.networkOf(name), name)
		}},
		{"instance's link deleted", func() {
			needTools(u.t, "nsenter", "ip")
			router := u.router()
			u.in(router, "ip link del "+u.linkOf(router, "custom-vpc-db"))
		}},
		{"router lost", u.loseRouter},
		{"router lost, and kept by somebody", func() {
			needTools(u.t, "nsenter", "ip")
			kept, err := os.Open(u.router())
			if err != nil {
				u.t.Fatal(err)
			}
			u.t.Cleanup(func() { // the guests have left it
				defer kept.Close()
				links := u.sh(fmt.Sprintf("nsenter --net=/proc/%d/fd/%d ip -o link", os.Getpid(), kept.Fd()))
				if strings.Contains(links, "@") {
					u.t.Errorf("in the router that was lost stand\n%s", links)
				}
			})
			u.loseRouter()
		}},
		{"agent's socket removed", func() {
			u.back(sim.Site(u.site).DataDir() + "/guest/agent.sock")
			u.must(0, ``, "reboot", "web") // whose first process connects there
		}},
		{"control's socket removed", func() {
			u.back(sim.Site(u.site).ControlDir() + "/control.sock")
			u.killAgent() // the next one connects there
		}},
		{"record empty", func() { u.spoilRecord(func(file string) error { return os.WriteFile(file, nil, 0o600) }) }},
		{"record a directory", func() {
			u.spoilRecord(func(file string) error { return errors.Join(os.Remove(file), os.Mkdir(file, 0o700)) })
			u.must(0, ``, "reboot", "web") // Docker lets go of its endpoint, and makes another
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			outer := u.t
			u.t = t
			defer func() { u.t = outer }()
			c.do()
			u.until("the page answers", func() bool {
				page, err := u.page(u.web())
				return err == nil && regexp.MustCompile(`^visit \d+ · counted by 10\.0\.2\.10 · `).MatchString(page)
			})
			u.until("db has its root disk", func() bool {
				out, code := u.call("exec", "db", "--", "cat", "/mark") // its first process may still be connecting
				return code == 0 && strings.HasPrefix(out, "here")
			})
			if now := u.pid("custom-vpc-db"); now != db {
				t.Errorf("db was started again: process %s, before %s", now, db)
			}
			u.until("nothing left to mend", func() bool { _, code := u.call("doctor", "--repair"); return code == 0 })
			u.must(0, `5 ✓ Access`, "up")
		})
	}
}

// back removes a socket and waits until there is one again that is listened on.
func (u *user) back(socket string) {
	u.t.Helper()
	if err := os.Remove(socket); err != nil {
		u.t.Fatal(err)
	}
	u.until(socket+" is back", func() bool {
		c, err := net.Dial("unix", socket)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// loseRouter takes the VPC's router out of reach of the next agent.
func (u *user) loseRouter() {
	u.t.Helper()
	router := u.router()
	was := inode(router)
	if err := errors.Join(syscall.Unmount(router, syscall.MNT_DETACH), os.Remove(router)); err != nil {
		u.t.Fatal(err)
	}
	u.killAgent()
	if now := inode(router); now == 0 || now == was {
		u.t.Errorf("the VPC's router is net:[%d], before net:[%d]; want another one", now, was)
	}
}

// spoilRecord damages what the agent has written down of what Docker told it.
func (u *user) spoilRecord(how func(file string) error) {
	u.t.Helper()
	if err := how(sim.Site(u.site).DataDir() + "/endpoints.json"); err != nil {
		u.t.Fatal(err)
	}
	u.killAgent()
}

func (u *user) killAgent() {
	u.t.Helper()
	pid := u.process("agent")
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		u.t.Fatal(err)
	}
	u.until("another agent", func() bool {
		out, code := u.call("doctor", "--repair")
		return code == 0 && out != "" && u.process("agent") != pid
	})
}

// networkOf is the one Docker network that a container is on.
func (u *user) networkOf(container string) string {
	u.t.Helper()
	return u.sh(`docker inspect -f '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}' ` + container)
}

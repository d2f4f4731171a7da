package main

import (
	"regexp"
	"testing"
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
	} {
		t.Run(c.name, func(t *testing.T) {
			u := u.as(t)
			c.do()
			u.until("the page answers", func() bool {
				page, err := u.page(u.web())
				return err == nil && regexp.MustCompile(`^visit \d+ · counted by 10\.0\.2\.10 · `).MatchString(page)
			})
			u.must(0, `^here`, "exec", "db", "--", "cat", "/mark")
			if now := u.pid("custom-vpc-db"); now != db {
				t.Errorf("db was started again: process %s, before %s", now, db)
			}
			u.until("nothing left to mend", func() bool { _, code := u.call("doctor", "--repair"); return code == 0 })
			u.must(0, `5 ✓ Access`, "up")
		})
	}
}

// networkOf is the one Docker network that a container is on.
func (u *user) networkOf(container string) string {
	u.t.Helper()
	return u.sh(`docker inspect -f '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}' ` + container)
}

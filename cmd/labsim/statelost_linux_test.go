package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"labsim/sim/store"
)

// stateLost takes control's state away, and damages it: what stands stays as it is,
// labsim says what happened, and a copy brings the same instances back.
func (u *user) stateLost() {
	u.must(0, `5 ✓ Access`, "up")
	u.copied(2)
	web, before := u.web(), u.instances()
	untouched := func(when string) {
		u.t.Helper()
		if after := u.instances(); !slices.Equal(before, after) {
			u.t.Errorf("%s there are the containers %v, before it %v", when, after, before)
		}
		if text, err := u.page(web); err != nil || !strings.HasPrefix(text, "visit ") {
			u.t.Errorf("%s: no packet gets through: %q, %v", when, text, err)
		}
	}

	u.withState(os.Remove)
	const lost = `(?s)the state of the site \S+ was lost; .*instances: \S+-db-1, \S+-web-1\n.*state restore   # puts back the copy that is .* old: (db, web|web, db)\n.*down --all`
	u.says(lost, "status")
	u.must(1, `사이트 \S+의 상태가 없어졌습니다`, "--lang", "ko", "status")
	u.must(1, `(?s)was lost.*knows 1 VPCs, 1 volumes and 2 instances.*nothing was changed`, "up")
	untouched("without its state")
	u.docker("restart", u.site+"-control") // the empty state that the first one made is no reason to begin
	u.says(lost, "status")
	untouched("after another start")
	u.must(0, `(?s)was lost.*✓ State of the site .*5 ✓ Access`, "up", "--yes")
	untouched("after up has put the copy back")

	u.copied(2)
	u.withState(func(file string) error {
		f, err := os.OpenFile(file, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.WriteAt(make([]byte, 4096), 3*4096)
		if err == nil {
			_, err = f.WriteAt(make([]byte, 4096), 4*4096)
		}
		if err == nil {
			err = f.Truncate(5 * 4096)
		}
		return err
	})
	const damaged = `/state/world.db is not a state file of labsim, or is damaged: .*\n\s+\S+ --site \S+ state restore\n`
	out := u.says(damaged, "status")
	out += u.must(1, damaged, "up")
	if wrong := regexp.MustCompile(`away|down --all`).FindString(out); wrong != "" {
		u.t.Errorf("a damaged state is said to be taken %q:\n%s", wrong, out)
	}
	untouched("with a damaged state")
	u.must(1, `(?s)the copy world.db.copy-1 is .* old.*nothing was changed`, "state", "restore")
	u.must(0, `world\.db\.aside-2 `, "state", "restore", "--yes") // the empty one lies aside already
	untouched("after the copy was put back")
	u.withState(func(file string) error { return errors.Join(os.Remove(file), os.Mkdir(file, 0o700)) })
	u.says(`/state/world.db is not a state file of labsim, or is damaged: it is a directory\n\s+\S+ --site \S+ state restore\n`, "status")
	u.must(0, `world\.db\.aside-3 `, "state", "restore", "--yes")
	untouched("after a directory lay in the place of the state")
	u.must(0, `5 ✓ Access`, "up")
	untouched("after up")

	u.withState(os.Remove) // and the site's down finds it so
	u.says(lost, "status")
	u.must(1, `(?s)was lost.*nothing was changed`, "down")
	untouched("after a down that nobody confirmed")
}

// copied waits until the newest copy knows so many instances.
func (u *user) copied(n int) {
	u.t.Helper()
	var list []store.Copy
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); {
		out, code := u.call("state", "list", "--json")
		if err := json.Unmarshal([]byte(out), &list); err != nil || code != 0 {
			u.t.Fatalf("state list: exit %d, %v\n%s", code, err, out)
		}
		if len(list) > 0 && len(list[0].Instances) == n {
			return
		}
	}
	u.t.Fatalf("no copy knows %d instances: %+v", n, list)
}

// says calls labsim until it fails with a text: control starts again meanwhile.
func (u *user) says(want string, args ...string) (out string) {
	u.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		var code int
		if out, code = u.call(args...); code == 1 && regexp.MustCompile(want).MatchString(out) {
			return out
		}
	}
	u.t.Fatalf("labsim %s does not say %q, but:\n%s", strings.Join(args, " "), want, out)
	return ""
}

// withState ends control, does something to its state file and starts it again.
func (u *user) withState(f func(file string) error) {
	u.t.Helper()
	u.docker("stop", u.site+"-control")
	dir := strings.TrimSpace(u.docker("volume", "inspect", "-f", "{{.Mountpoint}}", u.site+"-state"))
	if err := f(filepath.Join(dir, "world.db")); err != nil {
		u.t.Fatal(err)
	}
	u.docker("start", u.site+"-control")
}

// instances are the containers that run, with the instances' ids.
func (u *user) instances() []string {
	u.t.Helper()
	out := strings.Fields(u.docker("ps", "--no-trunc", "--filter", "label=labsim.site="+u.site, "--filter", "label=labsim.kind=instance", "--format", `{{.ID}}/{{.Label "labsim.id"}}`))
	slices.Sort(out)
	return out
}

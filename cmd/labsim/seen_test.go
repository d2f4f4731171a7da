package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/google/go-cmp/cmp"
)

// docker runs the engine's own client and returns what it printed.
func (u *user) docker(args ...string) string {
	u.t.Helper()
	out, err := exec.Command("docker", args...).CombinedOutput()
	if err != nil {
		u.t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// dockerSees looks at the lab with Docker's own tools: subnets are networks with
// their true CIDRs and addresses, the volume is a volume, the instances are
// services of a Compose project.
func (u *user) dockerSees() {
	u.t.Helper()
	project, object := u.site+"-custom-vpc", u.site+".custom-vpc" // the default site's have no prefix
	type seen struct{ Name, Driver, CIDR, Instance, Address string }
	var got []seen
	for _, name := range strings.Fields(u.docker("network", "ls", "--filter", "driver="+u.site+":latest", "--format", "{{.Name}}")) {
		var list []struct {
			Name, Driver string
			IPAM         struct{ Config []struct{ Subnet string } }
			Containers   map[string]struct{ Name, IPv4Address string }
		}
		if err := json.Unmarshal([]byte(u.docker("network", "inspect", name)), &list); err != nil {
			u.t.Fatal(err)
		}
		for _, c := range list[0].Containers {
			got = append(got, seen{name, list[0].Driver, list[0].IPAM.Config[0].Subnet, c.Name, c.IPv4Address})
		}
	}
	want := []seen{
		{object + "_private", u.site + ":latest", "10.0.2.0/24", object + "-db-1", "10.0.2.10/24"},
		{object + "_public", u.site + ":latest", "10.0.1.0/24", object + "-web-1", "10.0.1.10/24"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		u.t.Errorf("Docker's networks (-want +got):\n%s", diff)
	}
	if list := u.docker("volume", "ls", "--format", "{{.Driver}} {{.Name}}"); !strings.Contains(list, u.site+":latest "+object+"_db-data\n") {
		u.t.Errorf("docker volume ls lacks the volume:\n%s", list)
	}
	u.composeSees(project, object)
}

// composeSees asks the Compose that is installed, the plugin or the older program,
// which wants a file that names the services.
func (u *user) composeSees(project, object string) {
	u.t.Helper()
	c := exec.Command("docker", "compose", "-p", project, "ps")
	if exec.Command("docker", "compose", "version").Run() != nil {
		file := filepath.Join(u.t.TempDir(), "compose.yaml")
		if err := os.WriteFile(file, []byte("version: '2'\nservices: { web: { image: labsim/linux }, db: { image: labsim/linux } }\n"), 0o600); err != nil {
			u.t.Fatal(err)
		}
		c = exec.Command("docker-compose", "-p", project, "-f", file, "ps")
		if c.Err != nil {
			u.t.Logf("no Compose here: %v", c.Err)
			return
		}
	}
	out, err := c.CombinedOutput()
	for _, name := range []string{"web", "db"} {
		if up := regexp.MustCompile(`(?m)^\s*` + regexp.QuoteMeta(object) + `-` + name + `-1 .*\bUp\b`); !up.Match(out) {
			u.t.Errorf("%s lacks %s: %v\n%s", strings.Join(c.Args, " "), name, err, out)
		}
	}
}

// speaks runs labsim with other variables of the environment.
func (u *user) speaks(env ...string) *user {
	v := *u
	v.env = append(u.env[:len(u.env):len(u.env)], env...)
	return &v
}

// tunnelled does without the host's route to the public addresses: Docker Desktop
// has none.
func (u *user) tunnelled() {
	u.t.Helper()
	u = u.speaks("LABSIM_TUNNEL=1")
	u.must(0, `^ip-10-0-2-10`, "ssh", "db", "--", "hostname")

	file := filepath.Join(u.t.TempDir(), "x")
	if err := os.WriteFile(file, []byte("carried\n"), 0o600); err != nil {
		u.t.Fatal(err)
	}
	u.must(0, ``, "cp", file, "web:/tmp/there")
	u.must(0, ``, "cp", "web:/tmp/there", file+".back")
	if got, err := os.ReadFile(file + ".back"); err != nil || string(got) != "carried\n" {
		u.t.Errorf("cp brought %q back: %v", got, err)
	}

	open := u.command("open", "--no-browser", "web:80")
	out, err := open.StdoutPipe()
	if err == nil {
		err = open.Start()
	}
	if err != nil {
		u.t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	address := regexp.MustCompile(`^(http://127\.0\.0\.1:\d+) is web:80`).FindStringSubmatch(line)
	if address == nil {
		u.t.Fatalf("open says %q", line)
	}
	page, err := (&http.Client{Timeout: patience}).Get(address[1] + "/nothing")
	if err != nil || page.StatusCode != http.StatusNotFound {
		u.t.Errorf("through the tunnel: %+v, %v", page, err)
	} else {
		page.Body.Close()
	}
	_ = open.Process.Signal(os.Interrupt)
	_ = open.Wait()
}

// executes looks at exec: input, output and exit code pass through, and what is
// put into the background goes on.
func (u *user) executes() {
	u.t.Helper()
	u.must(7, ``, "exec", "web", "--", "sh", "-c", "exit 7")
	c := u.command("exec", "db", "--", "sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!; cat; echo away >&2")
	c.Stdin = strings.NewReader("as it came\n")
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	pid, rest, _ := strings.Cut(string(out), "\n")
	if err != nil || rest != "as it came\n" || errs.String() != "away\n" {
		u.t.Errorf("exec: %q, %q, %v", out, errs.String(), err)
	}
	u.must(0, ``, "exec", "db", "--", "kill", "-0", pid)
	u.must(1, `there is no instance "webb"; did you mean web\?`, "exec", "webb", "--", "true")
}

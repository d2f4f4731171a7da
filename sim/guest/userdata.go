package guest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"labsim/sim"
)

const userDataFile = "/var/lib/labsim/user-data"

// runUserData runs the script that the instance was launched with, once in its
// life, as root; its output goes to the console (EC2 User Guide, "Run commands
// when you launch an EC2 instance with user data input").
func (g *guest) runUserData() {
	data, err := g.meta.get("/latest/user-data")
	if errors.Is(err, errNoMetadata) || err == nil && len(bytes.TrimSpace(data)) == 0 {
		return
	}
	whole := data
	if err == nil {
		data, err = userDataScript(whole)
	}
	if err == nil {
		err = keepService(serviceFile, whole)
	}
	if err != nil {
		g.console.printf("user data: %v", err)
		return
	}
	if data == nil { // a service only
		return
	}
	if err := os.WriteFile(userDataFile, data, 0o700); err != nil {
		g.console.printf("user data: %v", err)
		return
	}
	g.console.printf("user data: begins")
	began := time.Now()
	code, err := g.runScript(userDataFile)
	took := time.Since(began).Round(time.Millisecond)
	switch {
	case err != nil:
		g.console.printf("user data: %v", err)
	case code != 0:
		g.console.printf("user data: FAILED with exit code %d after %v", code, took)
	default:
		g.console.printf("user data: done after %v", took)
	}
}

// runLocal runs /etc/rc.local, at each boot: what user data may leave behind for
// the boots after the first.
func (g *guest) runLocal() {
	const file = "/etc/rc.local"
	if st, err := os.Stat(file); err != nil || st.Mode()&0o111 == 0 {
		return
	}
	code, err := g.runScript(file)
	if err != nil {
		g.console.printf("rc.local: %v", err)
	} else if code != 0 {
		g.console.printf("rc.local: FAILED with exit code %d", code)
	}
}

func (g *guest) runScript(path string) (int, error) {
	root, err := lookupAccount("/", "root")
	if err != nil {
		return 0, err
	}
	var out io.Writer = g.console
	// The file in which people look on EC2.
	if log, err := os.OpenFile("/var/log/cloud-init-output.log", os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640); err == nil {
		out = io.MultiWriter(g.console, log)
	}
	cmd := command{args: []string{path}, env: withEnv(withEnv(ownEnv(), root.env()...), imagePath()), dir: "/", user: root}
	s, err := g.startSession(cmd, false, 0, 0, false, out, out)
	if err != nil {
		return 0, err
	}
	return s.proc.exitCode(), nil // what it left in the background keeps writing to the console
}

// userDataScript returns the script in user data, or says what it is instead. A
// multipart document may have none: nil.
func userDataScript(data []byte) ([]byte, error) {
	if bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		if data, err = io.ReadAll(io.LimitReader(z, 16<<20)); err != nil {
			return nil, fmt.Errorf("gzip: %w", err)
		}
	}
	first, _, _ := strings.Cut(string(data), "\n")
	first = strings.TrimSpace(first)
	switch {
	case strings.HasPrefix(first, "#!"):
		return data, nil
	case strings.HasPrefix(first, "#cloud-config"):
		return nil, errors.New("#cloud-config is not supported by labsim: NOTHING OF IT WAS DONE; write a script that begins with #!/bin/sh")
	case sim.MultipartUserData(data):
		script, _, err := sim.SplitUserData(data)
		if err != nil {
			return nil, fmt.Errorf("MIME multi-part: %w; NOTHING OF IT WAS DONE", err)
		}
		if script == nil {
			return nil, nil
		}
		return userDataScript(script)
	}
	return nil, fmt.Errorf("not run: it begins with %.40q, and not with #! and an interpreter", first)
}

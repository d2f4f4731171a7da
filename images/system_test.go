package images

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"labsim/sim/engine/enginetest/self"
)

// archiveSums reads a docker-archive: the digest of each member, and small members whole.
func archiveSums(t *testing.T, binary string) (id string, sums map[string]string, small map[string][]byte) {
	t.Helper()
	archive, ref, id, err := System(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	build, err := BuildHash(binary)
	if err != nil || ref != Ref+":"+build || len(build) != 12 {
		t.Errorf("ref %s, build %q, %v", ref, build, err)
	}
	sums, small = map[string]string{}, map[string][]byte{}
	r := tar.NewReader(archive)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return id, sums, small
		}
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.New()
		var data []byte
		if h.Size < 1<<16 {
			data, err = io.ReadAll(io.TeeReader(r, sum))
			small[h.Name] = data
		} else {
			_, err = io.Copy(sum, r)
		}
		if err != nil {
			t.Fatal(err)
		}
		sums[h.Name] = hex.EncodeToString(sum.Sum(nil))
	}
}

func TestSystemIsReproducible(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "labsim")
	if err := os.WriteFile(binary, []byte(strings.Repeat("program", 20000)), 0o755); err != nil {
		t.Fatal(err)
	}
	id, sums, small := archiveSums(t, binary)
	again, _, _ := archiveSums(t, binary)
	if id != again {
		t.Errorf("two archives of one binary: %s and %s", id, again)
	}
	var manifest []struct {
		Config string
		Layers []string
	}
	if err := json.Unmarshal(small["manifest.json"], &manifest); err != nil {
		t.Fatal(err)
	}
	var config struct {
		Config struct{ Labels map[string]string }
		Rootfs struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	if err := json.Unmarshal(small[manifest[0].Config], &config); err != nil {
		t.Fatal(err)
	}
	if got := "sha256:" + sums[manifest[0].Config]; got != id {
		t.Errorf("the id is %s, the configuration's digest %s", id, got)
	}
	if got := "sha256:" + sums[manifest[0].Layers[0]]; got != config.Rootfs.DiffIDs[0] {
		t.Errorf("the layer is %s, the configuration says %s", got, config.Rootfs.DiffIDs[0])
	}
	if config.Config.Labels[LabelAMI] != Ref {
		t.Errorf("labels %v", config.Config.Labels)
	}
	if err := os.WriteFile(binary, []byte("another program"), 0o755); err != nil {
		t.Fatal(err)
	}
	if other, _, _ := archiveSums(t, binary); other == id {
		t.Error("another binary has the same id")
	}
}

// TestSystemRuns imports the layer under a name of its own: loading the archive
// would take the tag of a real system image. The test's own binary stands in for labsim's.
func TestSystemRuns(t *testing.T) {
	if out, err := exec.Command("docker", "version").CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no Docker: %v\n%s", err, out)
		}
		t.Skip("no Docker")
	}
	program := self.Static(t)
	load := exec.Command("docker", "import", "-", "t-images/linux:test")
	in, err := load.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		writeLayer(in, program)
		in.Close()
	}()
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("docker import: %v\n%s", err, out)
	}
	t.Cleanup(func() { exec.Command("docker", "rmi", "t-images/linux:test").Run() })
	dir := t.TempDir()
	data, err := os.ReadFile(program)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "init"), data, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ script, want string }{
		{"echo hi", "hi\n"},
		{"stat -c '%a %u' /tmp /root /home/ec2-user /etc/shadow", "1777 0\n700 0\n700 1000\n600 0\n"},
		{"id ec2-user", "uid=1000(ec2-user) gid=1000(ec2-user) groups=1000(ec2-user),10(wheel)\n"},
		{"ls /labsim", "/labsim\n"},
	} {
		out, err := exec.Command("docker", "run", "--rm", "--network", "none", "-v", dir+":/.labsim:ro", "t-images/linux:test", "/bin/sh", "-c", c.script).CombinedOutput()
		if string(out) != c.want {
			t.Errorf("%s: %q (%v), want %q", c.script, out, err, c.want)
		}
	}
}

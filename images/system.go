package images

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"labsim/sim"
)

// Ref is the image's name; its tags are "latest" and the build's hash.
const Ref = "labsim/linux"

// LabelAMI marks images that serve as AMIs; its value is the AMI's name.
const LabelAMI = "labsim.ami"

// created is the image's date: a fixed one, so that the same binary gives the same id.
var created = time.Unix(1735689600, 0).UTC()

// guestInit is where an instance finds its first process and tools.
const guestInit = "/.labsim/init"

// System returns the image as an archive for the engine to load (docker-archive
// of `docker save`), its reference with the build's tag, and its id. The caller
// closes the archive.
func System(binary string) (archive io.ReadCloser, ref, id string, err error) {
	build, err := BuildHash(binary)
	if err != nil {
		return nil, "", "", err
	}
	h := sha256.New()
	size, err := writeLayer(h, binary) // once for its digest, which comes before it in the archive
	if err != nil {
		return nil, "", "", err
	}
	layer := hex.EncodeToString(h.Sum(nil))
	config, err := imageConfig(layer, build)
	if err != nil {
		return nil, "", "", err
	}
	sum := sha256.Sum256(config)
	id = hex.EncodeToString(sum[:])
	ref = Ref + ":" + build
	r, w := io.Pipe()
	go func() { w.CloseWithError(writeArchive(w, binary, layer, size, config, id, ref)) }()
	return r, ref, "sha256:" + id, nil
}

// BuildHash identifies a build by the binary's content: 12 hexadecimal digits.
func BuildHash(binary string) (string, error) {
	st, err := os.Stat(binary)
	if err != nil {
		return "", err
	}
	key := fmt.Sprint(binary, st.Size(), st.ModTime().UnixNano())
	if h, ok := hashes.Load(key); ok {
		return h.(string), nil
	}
	f, err := os.Open(binary)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	build := hex.EncodeToString(h.Sum(nil))[:12]
	hashes.Store(key, build)
	return build, nil
}

var hashes sync.Map // path, size and time -> hash

func imageConfig(layer, build string) ([]byte, error) {
	return json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "created": created.Format(time.RFC3339),
		"config": map[string]any{
			"Env":    []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
			"Labels": map[string]string{sim.LabelBuild: build, LabelAMI: Ref},
		},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + layer}},
	})
}

func writeArchive(w io.Writer, binary, layer string, size int64, config []byte, id, ref string) error {
	tw := tar.NewWriter(w)
	if err := tw.WriteHeader(&tar.Header{Name: layer + "/layer.tar", Mode: 0o644, Size: size, ModTime: created, Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	if _, err := writeLayer(tw, binary); err != nil {
		return err
	}
	manifest, err := json.Marshal([]map[string]any{{"Config": id + ".json", "RepoTags": []string{ref, Ref + ":latest"}, "Layers": []string{layer + "/layer.tar"}}})
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		data []byte
	}{{id + ".json", config}, {"manifest.json", manifest}} {
		if err := addFile(tw, f.name, 0o644, f.data); err != nil {
			return err
		}
	}
	return tw.Close()
}

// writeLayer writes the image's file system as a tar and returns its size.
func writeLayer(w io.Writer, binary string) (int64, error) {
	c := &counter{w: w}
	tw := tar.NewWriter(c)
	f, err := os.Open(binary)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	for _, e := range entries() {
		if err := e.write(tw); err != nil {
			return 0, err
		}
	}
	if err := tw.WriteHeader(&tar.Header{Name: "labsim", Mode: 0o755, Size: st.Size(), ModTime: created, Typeflag: tar.TypeReg}); err != nil {
		return 0, err
	}
	if _, err := io.Copy(tw, f); err != nil {
		return 0, err
	}
	return c.n, tw.Close()
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// entry is a directory, a file or a link of the image.
type entry struct {
	name string
	mode int64
	uid  int
	data string
	link string
	dir  bool
}

func (e entry) write(tw *tar.Writer) error {
	h := &tar.Header{Name: e.name, Mode: e.mode, Uid: e.uid, Gid: e.uid, ModTime: created, Typeflag: tar.TypeReg, Size: int64(len(e.data))}
	switch {
	case e.dir:
		h.Name, h.Typeflag, h.Size = e.name+"/", tar.TypeDir, 0
	case e.link != "":
		h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, e.link, 0
	}
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	_, err := io.WriteString(tw, e.data)
	return err
}

const ec2User = 1000

// entries are the files of the image in the order of their names.
func entries() []entry {
	list := []entry{
		{name: "etc/passwd", mode: 0o644, data: "root:x:0:0:root:/root:/bin/sh\nec2-user:x:1000:1000:EC2 Default User:/home/ec2-user:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"},
		{name: "etc/group", mode: 0o644, data: "root:x:0:\nwheel:x:10:ec2-user\nec2-user:x:1000:\nnogroup:x:65534:\n"},
		{name: "etc/shadow", mode: 0o600, data: "root:*:::::::\nec2-user:!:::::::\nnobody:*:::::::\n"},
		{name: "etc/os-release", mode: 0o644, data: "NAME=\"labsim Linux\"\nID=labsim\nPRETTY_NAME=\"labsim Linux\"\n"},
		{name: "etc/profile", mode: 0o644, data: "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"},
		{name: "etc/services", mode: 0o644, data: "ssh 22/tcp\ndomain 53/udp\nhttp 80/tcp\nhttps 443/tcp\npostgresql 5432/tcp\n"},
		{name: "bin", mode: 0o777, link: "usr/bin"},
		{name: "sbin", mode: 0o777, link: "usr/bin"},
		{name: "usr/sbin", mode: 0o777, link: "bin"},
	}
	for _, d := range strings.Fields("dev etc home home/ec2-user mnt opt proc root run srv sys tmp usr usr/bin usr/local usr/local/bin usr/local/sbin var var/lib var/log var/run var/tmp") {
		e := entry{name: d, mode: 0o755, dir: true}
		switch d {
		case "tmp", "var/tmp":
			e.mode = 0o1777
		case "root":
			e.mode = 0o700
		case "home/ec2-user":
			e.mode, e.uid = 0o700, ec2User
		}
		list = append(list, e)
	}
	for _, tool := range Tools {
		list = append(list, entry{name: "usr/bin/" + tool, mode: 0o777, link: guestInit})
	}
	slices.SortFunc(list, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return list
}

func addFile(tw *tar.Writer, name string, mode int64, data []byte) error {
	return entry{name: name, mode: mode, data: string(bytes.Clone(data))}.write(tw)
}

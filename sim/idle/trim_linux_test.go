package idle

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestTrim maps a file twice: what was only read goes, what was written stays,
// also where nobody can write there any more, as after relocation.
func TestTrim(t *testing.T) {
	const size = 1 << 20
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, bytes.Repeat([]byte("file"), size/4), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	open := func(prot int) []byte {
		b, err := unix.Mmap(int(f.Fd()), 0, size, prot, unix.MAP_PRIVATE)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Munmap(b) })
		return b
	}
	read, written := open(unix.PROT_READ), open(unix.PROT_READ|unix.PROT_WRITE)
	if n := bytes.Count(read, []byte("file")); n != size/4 {
		t.Fatalf("the mapping has %d words, want %d", n, size/4)
	}
	copy(written[size/2:], "ours")
	if err := unix.Mprotect(written, unix.PROT_READ); err != nil {
		t.Fatal(err)
	}
	if resident(t, read) == "0" {
		t.Fatal("what was read is not resident: the test shows nothing")
	}

	Trim()

	if r := resident(t, read); r != "0" {
		t.Errorf("%s kB of a mapping that was only read are resident after Trim, want 0", r)
	}
	if s := string(written[size/2 : size/2+4]); s != "ours" {
		t.Errorf("a page that was written reads %q after Trim, want \"ours\"", s)
	}
	if s := string(read[:4]); s != "file" {
		t.Errorf("the file reads %q after Trim", s)
	}
}

// resident is the Rss of a mapping, in kB.
func resident(t *testing.T, b []byte) string {
	t.Helper()
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut("\n"+string(smaps), fmt.Sprintf("\n%x-", uintptr(unsafe.Pointer(&b[0]))))
	m := regexp.MustCompile(`(?m)^Rss: +(\d+) kB`).FindStringSubmatch(rest)
	if !ok || m == nil {
		t.Fatalf("no mapping at %p", &b[0])
	}
	return m[1]
}

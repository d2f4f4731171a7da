package guest

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	// toolDir is behind everything else in PATH: what an image lacks is found there.
	toolDir = "/run/labsim/bin"
	// bootMark holds the id of the instance that has had its first boot.
	bootMark = "/var/lib/labsim/instance"
)

// prepareEtc makes the files that every Unix program expects, and says whether
// this is the instance's first boot.
func prepareEtc(root string) (firstBoot bool) {
	at := func(p string) string { return filepath.Join(root, p) }
	for _, d := range []string{"etc/ssh", "run", "var/lib/labsim", "var/log", "root", "home"} {
		os.MkdirAll(at(d), 0o755)
	}
	if err := os.MkdirAll(at("tmp"), 0o777); err == nil {
		os.Chmod(at("tmp"), 0o1777|os.ModeSticky)
	}
	writeResolvConf(at("etc/resolv.conf"), os.Getenv(EnvDNS), os.Getenv(EnvDomain))
	if name, err := os.Hostname(); err == nil {
		writeHosts(root, name, ownAddr())
	}
	ensureAccounts(root)
	makeRuntimeDirs(root)
	mark, err := os.ReadFile(filepath.Join(root, bootMark))
	return err != nil || strings.TrimSpace(string(mark)) != instanceID()
}

func instanceID() string {
	if id := os.Getenv(EnvInstance); id != "" {
		return id
	}
	return "unnamed"
}

func markBooted(root string) {
	os.WriteFile(filepath.Join(root, bootMark), []byte(instanceID()+"\n"), 0o644)
}

// writeHosts tells the instance its own name; what its users have added to
// /etc/hosts stays. Both files are written in place, as they are mounted.
func writeHosts(root, name string, own netip.Addr) {
	hosts := filepath.Join(root, "etc/hosts")
	appendMissing(hosts, "127.0.0.1", "127.0.0.1\tlocalhost")
	appendMissing(hosts, "::1", "::1\tlocalhost ip6-localhost ip6-loopback")
	if own.IsValid() {
		names := name
		if short, _, ok := strings.Cut(name, "."); ok {
			names += " " + short
		}
		appendMissing(hosts, own.String()+"\t", own.String()+"\t"+names)
	}
	os.WriteFile(filepath.Join(root, "etc/hostname"), []byte(name+"\n"), 0o644)
}

// ownAddr is the instance's private address; zero where it has none.
func ownAddr() netip.Addr {
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() && p.Addr().IsGlobalUnicast() {
			return p.Addr()
		}
	}
	return netip.Addr{}
}

// writeResolvConf writes in place: the file is mounted.
func writeResolvConf(path, servers, domain string) {
	var b strings.Builder
	if domain != "" {
		fmt.Fprintf(&b, "search %s\n", domain)
	}
	n := 0
	for _, s := range strings.Split(servers, ",") {
		if _, err := netip.ParseAddr(strings.TrimSpace(s)); err == nil {
			fmt.Fprintf(&b, "nameserver %s\n", strings.TrimSpace(s))
			n++
		}
	}
	if n > 0 {
		b.WriteString("options timeout:2 attempts:5\n")
		os.WriteFile(path, []byte(b.String()), 0o644)
	}
}

// ensureAccounts adds the users that an EC2 instance has and this image lacks.
func ensureAccounts(root string) {
	at := func(p string) string { return filepath.Join(root, p) }
	shell := "/bin/sh"
	if _, err := os.Stat(at("bin/bash")); err == nil {
		shell = "/bin/bash"
	}
	appendMissing(at("etc/passwd"), "root:", "root:x:0:0:root:/root:"+shell)
	appendMissing(at("etc/group"), "root:", "root:x:0:")
	appendMissing(at("etc/passwd"), "nobody:", "nobody:x:65534:65534:nobody:/:/sbin/nologin")
	if !slices.ContainsFunc(colonFile(at("etc/group"), 3), func(f []string) bool { return f[2] == "65534" }) {
		appendMissing(at("etc/group"), "nogroup:", "nogroup:x:65534:")
	}
	uid := freeID(root) // Ubuntu's image has a user 1000 of its own
	appendMissing(at("etc/passwd"), "ec2-user:", fmt.Sprintf("ec2-user:x:%d:%d:EC2 Default User:/home/ec2-user:%s", uid, uid, shell))
	appendMissing(at("etc/group"), "ec2-user:", fmt.Sprintf("ec2-user:x:%d:", uid))
	appendMissing(at("etc/group"), "wheel:", "wheel:x:10:ec2-user")
	for _, name := range []string{"root", "nobody", "ec2-user"} {
		appendMissing(at("etc/shadow"), name+":", name+":*:19000:0:99999:7:::")
	}
	os.Chmod(at("etc/shadow"), 0o600)
	home := at("home/ec2-user")
	if _, err := os.Stat(home); err != nil && os.Mkdir(home, 0o700) == nil {
		if a, err := lookupAccount(root, loginUser); err == nil {
			os.Chown(home, int(a.uid), int(a.gid))
		}
	}
}

// freeID is the first id from 1000 on that neither a user nor a group has.
func freeID(root string) int {
	used := map[string]bool{}
	for _, f := range append(colonFile(filepath.Join(root, "etc/passwd"), 3), colonFile(filepath.Join(root, "etc/group"), 3)...) {
		used[f[2]] = true
	}
	for id := 1000; ; id++ {
		if !used[fmt.Sprint(id)] {
			return id
		}
	}
}

// appendMissing adds line to the file unless one begins with prefix.
func appendMissing(path, prefix, line string) {
	old, _ := os.ReadFile(path)
	for _, l := range strings.Split(string(old), "\n") {
		if strings.HasPrefix(l, prefix) {
			return
		}
	}
	if len(old) > 0 && old[len(old)-1] != '\n' {
		old = append(old, '\n')
	}
	os.WriteFile(path, append(old, line+"\n"...), 0o644)
}

// installTools links our applets where they are found after everything that the
// image itself has, and the few that must have a fixed place. labsim's own
// image has them all in /bin already.
func installTools(root, self string) {
	if target, _ := os.Readlink(filepath.Join(root, "bin/ls")); target == "/.labsim/init" {
		return
	}
	dir := filepath.Join(root, toolDir)
	if os.MkdirAll(dir, 0o755) != nil {
		return
	}
	for name := range Applets {
		os.Symlink(self, filepath.Join(dir, name))
	}
	for _, p := range []string{"/bin/sh", "/usr/bin/sudo", "/sbin/poweroff", "/sbin/reboot", "/sbin/halt", "/sbin/shutdown"} {
		path := filepath.Join(root, p)
		if _, err := os.Lstat(path); err != nil {
			os.MkdirAll(filepath.Dir(path), 0o755)
			os.Symlink(self, path)
		}
	}
}

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"labsim/sim"
	"labsim/sim/ec2/wire"
)

// TestMounts counts what commands leave in the mount namespaces of the machine:
// nothing in control, and nothing that keeps the router of a VPC that is gone.
func TestMounts(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.must(0, `5 ✓ Access`, "up")
	control := u.process("control")
	before := len(mounts(control))
	for range 5 {
		if err := os.Remove(filepath.Join(u.state(), "labsim", u.site, "control.json")); err != nil {
			t.Errorf("what is remembered of control: %v", err) // so that each command asks for the token
		}
		u.must(0, `web`, "status")
	}
	if after := len(mounts(control)); after != before {
		t.Errorf("control has %d mounts after five commands, %d before", after, before)
	}

	a := u.account()
	var made wire.CreateVpcResult
	a.do("CreateVpc", &wire.CreateVpcRequest{CidrBlock: ptr("10.9.0.0/16")}, &made)
	pin := filepath.Join(sim.Site(u.site).RunDir(), "netns", *made.Vpc.VpcId)
	u.until("a router for the VPC", func() bool { return inode(pin) != 0 })
	router := fmt.Sprintf("net:[%d]", inode(pin))
	u.docker("restart", "--time", "5", u.site+"-control") // while the router stands
	u.until("control again", func() bool { _, code := u.call("status"); return code == 0 })
	if slices.Contains(holders(router), u.process("control")) {
		t.Errorf("control, which was started while the VPC stood, holds its router %s", router)
	}
	a.do("DeleteVpc", &wire.DeleteVpcRequest{VpcId: made.Vpc.VpcId}, nil)
	u.until("the end of the VPC's router "+router, func() bool { return len(holders(router)) == 0 })

	u.must(0, ``, "down", "--yes", "--volumes")
	u.until("the end of all mounts of the site", func() bool { return len(holders("/"+u.site+"/")) == 0 })
}

// mounts are the lines of a process' mountinfo; none once it has ended.
func mounts(pid int) []string {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	return strings.Split(strings.TrimSpace(string(data)), "\n")
}

// holders are the processes with a mount that says so, or in that network namespace.
func holders(what string) (pids []int) {
	files, _ := filepath.Glob("/proc/[0-9]*/mountinfo")
	for _, f := range files {
		var pid int
		fmt.Sscanf(f, "/proc/%d/", &pid)
		ns, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
		if ns == what || strings.Contains(strings.Join(mounts(pid), "\n"), what) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// inode of a pinned namespace; 0: nothing is mounted there.
func inode(pin string) uint64 {
	var fs syscall.Statfs_t
	var st syscall.Stat_t
	if syscall.Statfs(pin, &fs) != nil || fs.Type != 0x6e736673 || syscall.Stat(pin, &st) != nil {
		return 0
	}
	return st.Ino
}

package docker

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
)

// seccompProfile is the default profile of the newest moby, whatever the engine's
// own is: Docker 20.10's lets AF_VSOCK and io_uring through. The engine resolves
// what it says of capabilities, architectures and kernels. It is written and kept
// up to date by TestSeccompProfile.
//
//go:embed zz_seccomp.json
var seccompProfile string

// confined are the security options of everything that runs in a container.
func confined(more ...string) []string {
	return append([]string{"seccomp=" + seccompProfile}, more...)
}

// instanceCaps are what root of an instance may do, with the reason. It is
// Docker's default without MKNOD: device nodes are the agent's to make. They
// are named one by one, so that no engine's default widens them.
var instanceCaps = []string{
	"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", // root owns the instance's files
	"KILL",             // and its processes
	"SETUID", "SETGID", // su, sudo, sshd, and every service that has a user of its own
	"SETPCAP",          // what gives capabilities up
	"SETFCAP",          // installing a package such as ping's; it gives none that is not on this list
	"NET_BIND_SERVICE", // a web server on port 80
	"NET_RAW",          // ping, tcpdump; what is sent with a false sender goes nowhere
	"SYS_CHROOT",       // sshd's separated child
	"AUDIT_WRITE",      // without it PAM refuses su and passwd on images that audit
}

// maskedPaths are hidden in instances: what the newest moby hides, and what 20.10
// does beyond that. The engine skips those that the machine does not have.
var maskedPaths = append([]string{
	"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
	"/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats",
	"/sys/devices/virtual/powercap", "/sys/firmware",
}, thermalThrottle()...)

// thermalThrottle tells of other guests' work: a directory of each processor of
// the engine's machine, whose number is not known here.
func thermalThrottle() []string {
	var out []string
	for cpu := range 128 {
		out = append(out, fmt.Sprintf("/sys/devices/system/cpu/cpu%d/thermal_throttle", cpu))
	}
	return out
}

// hasSeccomp reads an engine's security options ("name=seccomp,profile=default").
func hasSeccomp(options []string) bool {
	return slices.ContainsFunc(options, func(o string) bool { return strings.HasPrefix(o, "name=seccomp") })
}

package docker

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/system"
	"github.com/docker/docker/api/types/versions"

	"labsim/sim"
	verbs "labsim/sim/agent/oneshot"
)

// Finding is what Check saw of one subject.
type Finding struct {
	Subject sim.Text
	Seen    sim.Text // what is so, where it is as it should be
	Problem sim.Text // what is not; no Format: nothing
	Fix     sim.Text // what to do about it
	Fatal   bool     // labsim can't work with it
	Err     error    // ErrNoDocker, ErrUnusable, or nil
}

// Check looks at the engine and its machine for all that `up` needs: what
// Engine.Check sees, and kernel and disk. An engine that can't be reached is a
// finding too. It changes nothing but for a container that lives for a moment,
// where the image is there.
func Check(ctx context.Context, o Options) []Finding {
	e, err := Open(ctx, o)
	if err != nil {
		return []Finding{ofFailure(sim.Cmd("Docker"), err)}
	}
	defer e.Close()
	found := e.Check(ctx)
	if slices.ContainsFunc(found, func(f Finding) bool { return f.Fatal }) {
		return found
	}
	return append(found, e.checkKernel(ctx)...)
}

// Check looks at what can be asked without starting anything.
func (e *Engine) Check(ctx context.Context) []Finding {
	info, err := e.c.Info(ctx)
	if err != nil {
		return []Finding{ofFailure(sim.Cmd("Docker"), unreachable(e.at, err))}
	}
	f := e.judge(info)
	if f.Fatal {
		return []Finding{f}
	}
	return []Finding{f, e.checkRanges(ctx), e.checkPort(ctx)}
}

func ofFailure(subject sim.Text, err error) Finding {
	f := Finding{Subject: subject, Fatal: true, Problem: sim.T("the engine answers: %s", err.Error()), Err: ErrUnusable}
	var fail *sim.Failure
	if errors.As(err, &fail) {
		f.Problem = fail.What
		if len(fail.Next) > 0 {
			f.Fix = fail.Next[0]
		}
	}
	if errors.Is(err, ErrNoDocker) {
		f.Err = ErrNoDocker
	}
	return f
}

// preflight returns the problem that keeps labsim from this engine.
func (e *Engine) preflight(ctx context.Context) error {
	info, err := e.c.Info(ctx)
	if err != nil {
		return unreachable(e.at, err)
	}
	f := e.judge(info)
	if !f.Fatal {
		return nil
	}
	failure := &sim.Failure{What: f.Problem, Err: ErrUnusable}
	if f.Fix.Format != "" {
		failure.Next = []sim.Text{f.Fix}
	}
	return failure
}

// judge looks at what the engine says of itself.
func (e *Engine) judge(info system.Info) Finding {
	subject := sim.Cmd("Docker")
	problem := func(t, fix sim.Text) Finding {
		return Finding{Subject: subject, Fatal: true, Problem: t, Fix: fix, Err: ErrUnusable}
	}
	options := strings.Join(info.SecurityOptions, " ")
	switch {
	case !isLocal(e.at.Host):
		return problem(sim.T("the engine %s is on another machine: its ports and addresses can't be reached from here", e.at.Host),
			sim.T("docker context use default   # or run labsim on that machine"))
	case info.OSType != "" && info.OSType != "linux":
		return problem(sim.T("the engine runs %s containers", info.OSType), sim.T("switch Docker Desktop to Linux containers"))
	case e.ping.APIVersion != "" && versions.LessThan(e.ping.APIVersion, minAPI):
		return problem(sim.T("Docker %s is too old: 20.10 or later is needed", info.ServerVersion),
			sim.T("install Docker: https://docs.docker.com/get-docker/"))
	case strings.Contains(options, "name=rootless"):
		return problem(sim.T("Docker runs rootless: its plugins can't build VPC routers"),
			sim.T("use a Docker that runs as root: docker context use default"))
	case strings.Contains(options, "name=userns"):
		return problem(sim.T("Docker maps users (userns-remap): control can't use its socket then"),
			sim.T("take userns-remap out of /etc/docker/daemon.json and restart Docker, or use another engine"))
	case strings.Contains(strings.ToLower(info.OperatingSystem), "podman"):
		return problem(sim.T("this is Podman: it has no managed plugins"), sim.T("install Docker: https://docs.docker.com/get-docker/"))
	case !hasSeccomp(info.SecurityOptions):
		return problem(sim.T("the engine can't filter system calls (seccomp): instances could reach more of this machine's kernel than they may"),
			sim.T("use a kernel with CONFIG_SECCOMP_FILTER and an engine that is built with seccomp, such as Docker's own packages"))
	case platform(info.Architecture) == "":
		return problem(sim.T("the engine's architecture is %s; labsim knows amd64 and arm64", info.Architecture), sim.Text{})
	}
	return Finding{Subject: subject, Seen: sim.Cmd("Docker %s · %s · linux/%s", info.ServerVersion, e.at.Host, platform(info.Architecture))}
}

// isLocal: a socket, a pipe, or a port of this machine.
func isLocal(host string) bool {
	u, err := url.Parse(host)
	if err != nil {
		return false
	}
	switch u.Scheme {
	case "unix", "npipe":
		return true
	case "tcp", "http", "https":
		ip := net.ParseIP(u.Hostname())
		return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	}
	return false
}

// platform turns uname's architecture into Go's, "" where labsim has no build for it.
func platform(arch string) string {
	switch arch {
	case "x86_64", "amd64":
		return "amd64"
	case "aarch64", "arm64":
		return "arm64"
	}
	return ""
}

// Platform returns the engine's GOARCH, for which the CLI has to have a Linux binary.
func (e *Engine) Platform(ctx context.Context) (goarch string, err error) {
	v, err := e.c.ServerVersion(ctx)
	return platform(v.Arch), err
}

func (e *Engine) checkRanges(ctx context.Context) Finding {
	f := Finding{Subject: sim.T("public addresses")}
	have := ""
	if list, err := e.controls(ctx); err == nil && len(list) > 0 {
		have = list[0].Labels[labelPublic]
	}
	p, err := e.publicRange(ctx, netip.Prefix{}, have)
	switch {
	case err != nil:
		return ofFailure(f.Subject, err)
	case have == "" && e.site == sim.DefaultSite && p != sim.DefaultPublic:
		f.Problem = sim.T("%s is taken on this machine; the public addresses come from %s", sim.DefaultPublic, p)
		f.Fix = sim.T("choose another with --public-range, or none: a free one is then used")
	default:
		f.Seen = sim.T("public addresses come from %s", p)
	}
	return f
}

func (e *Engine) checkPort(ctx context.Context) Finding {
	f := Finding{Subject: sim.T("API port")}
	list, err := e.controls(ctx)
	switch {
	case err != nil:
		return ofFailure(f.Subject, err)
	case len(list) > 0:
		port, _ := strconv.Atoi(list[0].Labels[sim.LabelPort])
		f.Seen = sim.T("port %d of this machine is control's", port)
	case portFree(e.site.Port()):
		f.Seen = sim.T("port %d of this machine is free", e.site.Port())
	default:
		f.Problem = sim.T("port %d of this machine is taken; the next free one will be used", e.site.Port())
		f.Fix = sim.T("name a free one with --port")
	}
	return f
}

// lowDisk is when to warn: the image, the plugin and some volumes' data fit.
const lowDisk = 2 << 30

func (e *Engine) checkKernel(ctx context.Context) []Finding {
	subject := sim.T("kernel")
	image, _, err := e.anyImage(ctx)
	if err != nil {
		return []Finding{ofFailure(subject, err)}
	}
	if image == "" {
		return []Finding{{Subject: subject, Seen: sim.T("the kernel is looked at once labsim has been up")}}
	}
	var has verbs.Features
	err = e.run(ctx, oneshot{Image: image, Args: []string{verbs.Kernel}, Caps: []string{"NET_ADMIN"}}, &has)
	if err != nil {
		return []Finding{{Subject: subject, Problem: sim.T("the engine's kernel could not be looked at: %s", err.Error())}}
	}
	var found []Finding
	for name, why := range has.Missing {
		found = append(found, Finding{Subject: subject, Fatal: true, Err: ErrUnusable,
			Problem: sim.T("the engine's kernel lacks %s: %s", name, why),
			Fix:     sim.T("sudo modprobe %s   # or a kernel that has it", name)})
	}
	slices.SortFunc(found, func(a, b Finding) int { return strings.Compare(a.Problem.String(), b.Problem.String()) })
	if len(found) == 0 {
		found = append(found, Finding{Subject: subject, Seen: sim.T("the kernel has nf_tables, veth and loop devices")})
	}
	return append(found, checkDisk(has.Disk))
}

// checkDisk: below the reserve no instance starts; all that runs goes on, so that up works.
func checkDisk(d sim.Disk) Finding {
	f := Finding{Subject: sim.T("disk"), Seen: sim.T("%d GiB free on the engine's disk", d.Free>>30)}
	switch {
	case d.Short():
		f.Problem = sim.T("only %d MiB are free on the engine's disk; labsim keeps %d MiB free for what runs, and starts no instance", d.Free>>20, d.Reserve()>>20)
		f.Fix = sim.Cmd(PruneCommand)
	case d.Size != 0 && d.Free < lowDisk:
		f.Problem = sim.T("only %d MiB are free on the engine's disk", d.Free>>20)
		f.Fix = sim.Cmd(PruneCommand)
	}
	return f
}

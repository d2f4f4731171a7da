package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"labsim/sim"
	"labsim/sim/path"
)

func (a *app) sshCommand() *cobra.Command {
	var print bool
	c := &cobra.Command{
		Use:   "ssh NAME [CMD...]",
		Short: a.say(sim.T("log in to an instance, through a bastion where it has no public address")),
		Args:  cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.ssh(c.Context(), args[0], args[1:], print)
		},
	}
	c.Flags().SetInterspersed(false)
	c.Flags().BoolVar(&print, "print", false, a.say(sim.T("print the plain ssh command instead")))
	return c
}

// route is how ssh gets to an instance.
type route struct {
	target  instance
	bastion *instance
	key     string
	hosts   string // known_hosts
	tunnel  bool   // through control, where the host has no route
}

func (a *app) ssh(ctx context.Context, name string, cmd []string, print bool) error {
	r, err := a.sshRoute(ctx, name)
	if err != nil {
		return err
	}
	args := append(a.sshWords(r), cmd...)
	if print {
		fmt.Fprintln(a.out, shellJoin(append([]string{"ssh"}, args...)))
		return nil
	}
	return runTool(ctx, "ssh", args)
}

// sshRoute finds the way to an instance and says why where there is none.
func (a *app) sshRoute(ctx context.Context, name string) (*route, error) {
	b, i, err := a.machine(ctx, name)
	if err != nil {
		return nil, err
	}
	if i.State != string(sim.StateRunning) {
		return nil, &sim.Failure{What: sim.T("instance %s is %s", i.Name, i.State), Next: []sim.Text{sim.Cmd("labsim start %s", i.alias())}}
	}
	r := &route{target: i}
	if i.KeyName == "" {
		return nil, &sim.Failure{What: sim.T("instance %s was launched without a key pair, so nobody can log in", i.Name), Next: []sim.Text{sim.Cmd("labsim exec %s -- sh", i.alias())}}
	}
	if r.key, err = a.keyFile(i.KeyName); err != nil {
		return nil, err
	}
	if _, err := os.Stat(r.key); err != nil {
		return nil, &sim.Failure{What: sim.T("the key %s of instance %s is not on this computer", i.KeyName, i.Name), Err: err,
			Next: []sim.Text{sim.Cmd("labsim exec %s -- sh", i.alias())}}
	}
	if r.hosts, err = a.saveHostKeys(ctx, b); err != nil {
		return nil, err
	}
	if i.PublicIP != "" {
		r.tunnel = !a.reaches(i.PublicIP)
		return r, a.sshAllowed(ctx, b, path.Endpoint{Internet: true}, i, i.PublicIP)
	}
	return r, a.findBastion(ctx, b, r)
}

// findBastion takes an instance of the same VPC with a public address that may
// talk to the target's port 22; where there is none, it says what stops the best.
func (a *app) findBastion(ctx context.Context, b *box, r *route) error {
	list, err := b.instances(ctx, nil)
	if err != nil {
		return err
	}
	var why error
	for _, x := range list {
		if x.PublicIP == "" || x.VPC != r.target.VPC || x.State != string(sim.StateRunning) {
			continue
		}
		err := a.sshAllowed(ctx, b, path.Endpoint{Internet: true}, x, x.PublicIP)
		if err == nil {
			err = a.sshAllowed(ctx, b, path.Endpoint{Instance: sim.InstanceID(x.ID)}, r.target, r.target.PrivateIP)
		}
		if err == nil {
			r.bastion, r.tunnel = &x, !a.reaches(x.PublicIP)
			return nil
		}
		if why == nil {
			why = err
		}
	}
	if why != nil {
		return why
	}
	return &sim.Failure{What: sim.T("instance %s has no public address, and its VPC has no instance with one to go through", r.target.Name),
		Next: []sim.Text{sim.Cmd("labsim exec %s -- sh", r.target.alias())}}
}

// sshAllowed asks the evaluator before ssh runs into a timeout.
func (a *app) sshAllowed(ctx context.Context, b *box, from path.Endpoint, to instance, addr string) error {
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return err
	}
	v, err := b.trace(ctx, path.Query{From: from, To: path.Endpoint{Address: ip}, Protocol: sim.ProtocolTCP, Port: 22})
	if err != nil || v.Allowed {
		return err
	}
	return blocked(sim.T("ssh can't reach %s", to.Name), v)
}

// blocked turns a verdict into an error: what stops the packet, and the fixes.
func blocked(what sim.Text, v path.Verdict) error {
	f := &sim.Failure{What: what}
	if len(v.Decisive) > 0 {
		f.What = sim.Cmd("%s: %s", what, v.Decisive[0].Text)
	}
	for _, fix := range v.Fix {
		f.Next = append(f.Next, fix.Text)
		for _, c := range fix.Commands {
			f.Next = append(f.Next, command(c))
		}
	}
	return f
}

// proxy is this program for ssh, wherever ssh is called from.
func proxy() string {
	if exe, err := os.Executable(); err == nil && !strings.Contains(exe, "go-build") {
		return shellJoin([]string{exe})
	}
	return self()
}

const sshUser = "ec2-user"

// sshWords are the arguments with which plain ssh logs in. ProxyJump would leave
// the bastion to the user's own keys and known_hosts, so the way through it is a
// second ssh; -F none keeps the user's configuration out of both.
func (a *app) sshWords(r *route) []string {
	to := func(i instance, through []string) []string {
		words := []string{"-F", "none", "-i", percent(r.key), "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=yes",
			"-o", "UserKnownHostsFile=" + quotedOption(percent(r.hosts))}
		if through != nil {
			words = append(words, "-o", "ProxyCommand="+percent(shellJoin(through)))
		}
		return append(words, sshUser+"@"+cmp.Or(i.PublicIP, i.PrivateIP))
	}
	first := r.target
	if r.bastion != nil {
		first = *r.bastion
	}
	var through []string
	if r.tunnel {
		// proxy is quoted already: it may be several words
		through = []string{"sh", "-c", fmt.Sprintf("exec %s --site %s _dial %s:22", proxy(), a.site, cmp.Or(first.PublicIP, first.PrivateIP))}
	}
	if r.bastion != nil {
		bastion := to(*r.bastion, through)
		at := len(bastion) - 1
		through = append([]string{"ssh"}, bastion[:at]...)
		through = append(through, "-W", r.target.PrivateIP+":22", bastion[at])
	}
	return to(r.target, through)
}

// percent keeps ssh from reading % as one of its tokens.
func percent(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// quotedOption keeps a path with a space one word of ssh's.
func quotedOption(s string) string {
	if strings.ContainsAny(s, " \t") {
		return `"` + s + `"`
	}
	return s
}

// sshConfig writes the file with which plain ssh, scp and sftp find the target by
// its name: key file, own known_hosts, ProxyJump or the tunnel.
func (a *app) sshConfig(r *route) (file string, err error) {
	var s strings.Builder
	fmt.Fprintf(&s, "# written by labsim; plain ssh reads it: ssh -F FILE NAME\n")
	host := func(i instance, more string) {
		fmt.Fprintf(&s, "Host %s\n  HostName %s\n%s", i.alias(), cmp.Or(i.PublicIP, i.PrivateIP), more)
	}
	tunnel := ""
	if r.tunnel {
		tunnel = fmt.Sprintf("  ProxyCommand %s --site %s _dial %%h:%%p\n", proxy(), a.site)
	}
	if r.bastion != nil {
		host(*r.bastion, tunnel)
		tunnel = "  ProxyJump " + r.bastion.alias() + "\n"
	}
	host(r.target, tunnel)
	fmt.Fprintf(&s, "Host *\n  User %s\n  IdentityFile %q\n  IdentitiesOnly yes\n  UserKnownHostsFile %q\n  StrictHostKeyChecking yes\n", sshUser, r.key, r.hosts)
	file = filepath.Join(filepath.Dir(r.hosts), "ssh_config_"+safeName(r.target.ID))
	return file, writeFile(file, []byte(s.String()))
}

// alias is what an instance is called in a file and in a command to paste: its name
// is anybody's tag, and one with a line end in it would be an option of ssh, one with
// $(...) a command of the shell's.
func (i instance) alias() string {
	if plainName().MatchString(i.Name) {
		return i.Name
	}
	return i.ID
}

var plainName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)
})

// shellJoin quotes words for a POSIX shell.
func shellJoin(words []string) string {
	out := slices.Clone(words)
	for i, w := range out {
		if w == "" || strings.ContainsAny(w, " \t\n'\"$`\\&|;<>()*?[]#~!{}") {
			out[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(out, " ")
}

// runTool runs a program of the host with this process' streams and passes its
// exit code on.
func runTool(ctx context.Context, name string, args []string) error {
	file, err := exec.LookPath(name)
	if err != nil {
		return &sim.Failure{What: sim.T("%s is not installed on this computer", name), Err: err}
	}
	c := exec.CommandContext(ctx, file, args...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = c.Run()
	if x, ok := err.(*exec.ExitError); ok {
		return exitWith(max(1, x.ExitCode()))
	}
	return err
}

// reaches reports whether the host has a route to a public address: a Linux
// host of the engine has one, Docker Desktop has not. LABSIM_TUNNEL=1 forces
// the tunnel.
func (a *app) reaches(addr string) bool {
	if a.getenv("LABSIM_TUNNEL") != "" {
		return false
	}
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return false
	}
	// connecting a UDP socket sends nothing; it shows which address the host would use
	c, err := net.DialTimeout("udp4", netip.AddrPortFrom(ip, 9).String(), time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	local, err := netip.ParseAddrPort(c.LocalAddr().String())
	if err != nil {
		return false
	}
	p, _ := ip.Prefix(24)
	return p.Contains(local.Addr())
}

// dialCommand carries one TCP connection over the box on standard input and
// output; ssh uses it as its ProxyCommand.
func (a *app) dialCommand() *cobra.Command {
	return &cobra.Command{
		Use: "_dial ADDRESS:PORT", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			b, err := a.find(c.Context())
			if err != nil {
				return err
			}
			conn, err := b.stream(c.Context(), "dial?address="+url.QueryEscape(args[0]))
			if err != nil {
				return err
			}
			defer conn.Close()
			go func() {
				_, _ = io.Copy(conn, a.in)
				_ = conn.CloseWrite()
			}()
			_, err = io.Copy(a.out, conn)
			return err
		},
	}
}

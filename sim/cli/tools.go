package cli

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"labsim/compose"
	"labsim/sim"
)

func (a *app) initCommand() *cobra.Command {
	return &cobra.Command{
		Use: "init [FILE]", Short: a.say(sim.T("write the lab of the five steps to a file, to change it")), Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			file := "compose.yaml"
			if len(args) > 0 {
				file = args[0]
			}
			data, err := compose.File(compose.Default)
			if err != nil {
				return err
			}
			f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
			if os.IsExist(err) {
				return &sim.Failure{What: sim.T("%s is there already and was not touched", file), Next: []sim.Text{sim.Cmd("labsim init OTHER-FILE")}}
			}
			if err != nil {
				return err
			}
			defer f.Close()
			if _, err := f.Write(data); err != nil {
				return err
			}
			a.println(sim.T("wrote %s; now: %s", file, a.spell("up "+file)))
			return f.Close()
		},
	}
}

func (a *app) openCommand() *cobra.Command {
	var noBrowser bool
	c := &cobra.Command{
		Use: "open NAME:PORT", Short: a.say(sim.T("open a port of an instance on this computer, tunnelled")), Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return a.openPort(c.Context(), args[0], noBrowser) },
	}
	c.Flags().BoolVar(&noBrowser, "no-browser", false, a.say(sim.T("only listen")))
	return c
}

// openPort listens on loopback and carries each connection through control to
// the instance's public address, from the internet side: security groups apply.
func (a *app) openPort(ctx context.Context, word string, noBrowser bool) error {
	name, port, ok := strings.Cut(word, ":")
	if !ok {
		return usageError{&sim.Failure{What: sim.T("open wants NAME:PORT, not %q", word), Next: []sim.Text{sim.Cmd("labsim open web:80")}}}
	}
	b, i, err := a.machine(ctx, name)
	if err != nil {
		return err
	}
	if i.PublicIP == "" {
		return &sim.Failure{What: sim.T("instance %s has no public address", i.Name), Next: []sim.Text{sim.Cmd("labsim trace internet %s tcp/%s", i.alias(), port)}}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { l.Close() })()
	address := "http://" + l.Addr().String()
	a.println(sim.T("%s is %s:%s until Ctrl-C", address, i.Name, port))
	if !noBrowser {
		browse(address)
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return ctx.Err()
		}
		go func() {
			if err := b.forward(ctx, conn, net.JoinHostPort(i.PublicIP, port)); err != nil {
				a.explain(err)
			}
		}()
	}
}

// forward joins a connection with one to an address beyond control.
func (b *box) forward(ctx context.Context, conn net.Conn, address string) error {
	defer conn.Close()
	far, err := b.stream(ctx, "dial?address="+url.QueryEscape(address))
	if err != nil {
		return err
	}
	defer far.Close()
	go func() {
		_, _ = io.Copy(far, conn)
		_ = far.CloseWrite()
	}()
	_, _ = io.Copy(conn, far)
	return nil
}

// browse opens the user's browser where there is one; labsim works without.
func browse(address string) {
	switch {
	case runtime.GOOS == "darwin":
		_ = exec.Command("open", address).Start()
	case runtime.GOOS == "windows":
		_ = exec.Command("rundll32", "url.dll,FileProtocolHandler", address).Start()
	case os.Getenv("DISPLAY") != "" || os.Getenv("WAYLAND_DISPLAY") != "":
		_ = exec.Command("xdg-open", address).Start()
	}
}

// awsEnv is an environment in which no AWS client reaches anything but labsim:
// keys and configuration of its own, and a dead proxy for everything else.
func (a *app) awsEnv(b *box, dir string) map[string]string {
	u, _ := url.Parse(b.endpoint)
	empty := filepath.Join(dir, "empty")
	return map[string]string{
		"AWS_ACCESS_KEY_ID": "labsim", "AWS_SECRET_ACCESS_KEY": "labsim", "AWS_SESSION_TOKEN": "",
		"AWS_DEFAULT_REGION": "us-east-1", "AWS_REGION": "us-east-1", "AWS_PROFILE": "", "AWS_DEFAULT_PROFILE": "",
		"AWS_CONFIG_FILE": empty, "AWS_SHARED_CREDENTIALS_FILE": empty, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ENDPOINT_URL": b.endpoint, "AWS_CA_BUNDLE": "", "AWS_PAGER": a.getenv("AWS_PAGER"),
		"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9",
		"NO_PROXY": u.Hostname(), "no_proxy": u.Hostname(), "ALL_PROXY": "", "all_proxy": "",
	}
}

func (a *app) awsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "aws ...", Short: a.say(sim.T("the AWS CLI against labsim, and nothing else")), DisableFlagParsing: true,
		RunE: func(c *cobra.Command, args []string) error {
			args, err := a.ownFlags(args)
			if err != nil {
				return err
			}
			b, err := a.find(c.Context())
			if err != nil {
				return err
			}
			return a.aws(c.Context(), b, args)
		},
	}
}

// ownFlags takes labsim's flags off the front of the arguments; all that follow
// are the AWS CLI's, which has some of the same name.
func (a *app) ownFlags(args []string) ([]string, error) {
	own := map[string]*string{"--site": &a.site, "--engine": &a.engine, "--lang": &a.langArg}
	for len(args) > 0 {
		name, v, inOne := strings.Cut(args[0], "=")
		dst, ok := own[name]
		if !ok || !inOne && len(args) < 2 {
			break
		}
		if args = args[1:]; !inOne {
			v, args = args[0], args[1:]
		}
		*dst = v
	}
	return args, a.checkFlags()
}

func (a *app) aws(ctx context.Context, b *box, args []string) error {
	for _, x := range args {
		if x == "--endpoint-url" || strings.HasPrefix(x, "--endpoint-url=") || x == "--profile" || strings.HasPrefix(x, "--profile=") {
			return usageError{&sim.Failure{What: sim.T("labsim aws sets %s itself, so that nothing reaches the real service", x)}}
		}
	}
	file, err := exec.LookPath("aws")
	if err != nil {
		return &sim.Failure{What: sim.T("the AWS CLI is not installed on this computer"), Err: err, Next: []sim.Text{sim.T("install it: https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html")}}
	}
	dir, err := a.stateDir()
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(dir, "empty"), nil); err != nil {
		return err
	}
	c := exec.CommandContext(ctx, file, append([]string{"--endpoint-url", b.endpoint}, args...)...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, a.out, a.err
	c.Env = merged(os.Environ(), a.awsEnv(b, dir))
	err = c.Run()
	if x, ok := err.(*exec.ExitError); ok {
		return exitWith(max(1, x.ExitCode()))
	}
	return err
}

// merged sets variables in an environment; an empty value takes the variable out,
// and so go all others that an AWS client reads: an endpoint or a role of the
// user's would lead to the real service.
func merged(env []string, set map[string]string) []string {
	var out []string
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		if _, ok := set[name]; !ok && !strings.HasPrefix(name, "AWS_") {
			out = append(out, kv)
		}
	}
	for _, k := range sorted(set) {
		if set[k] != "" {
			out = append(out, k+"="+set[k])
		}
	}
	return out
}

func (a *app) envCommand() *cobra.Command {
	return &cobra.Command{
		Use: "env", Short: a.say(sim.T("print shell variables for AWS clients: eval \"$(labsim env)\"")), Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, args []string) error {
			b, err := a.find(c.Context())
			if err != nil {
				return err
			}
			dir, err := a.stateDir()
			if err != nil {
				return err
			}
			if err := writeFile(filepath.Join(dir, "empty"), nil); err != nil {
				return err
			}
			a.printEnv(c.Context(), b, dir)
			return nil
		},
	}
}

func (a *app) printEnv(ctx context.Context, b *box, dir string) {
	vars := a.awsEnv(b, dir)
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if _, ok := vars[name]; !ok && strings.HasPrefix(name, "AWS_") && plainName().MatchString(name) {
			vars[name] = ""
		}
	}
	for _, k := range sorted(vars) {
		switch {
		case strings.HasSuffix(strings.ToLower(k), "_proxy") || k == "AWS_PAGER":
			// the shell's other programs need their proxies
		case vars[k] == "":
			fmt.Fprintf(a.out, "unset %s\n", k)
		default:
			fmt.Fprintf(a.out, "export %s=%s\n", k, shellJoin([]string{vars[k]}))
		}
	}
	if old, version := oldAWS(ctx); old {
		fmt.Fprintf(a.out, "# %s\n", a.say(sim.T("this AWS CLI (%s) is older than 2.13 and ignores AWS_ENDPOINT_URL; a function passes it", version)))
		fmt.Fprintf(a.out, "aws() { command aws --endpoint-url %s \"$@\"; }\n", b.endpoint)
	}
}

// oldAWS reports whether the installed AWS CLI ignores AWS_ENDPOINT_URL.
func oldAWS(ctx context.Context) (bool, string) {
	out, err := exec.CommandContext(ctx, "aws", "--version").CombinedOutput()
	if err != nil {
		return false, ""
	}
	line, _ := bufio.NewReader(bytes.NewReader(out)).ReadString(' ')
	version := strings.TrimPrefix(strings.TrimSpace(line), "aws-cli/")
	var major, minor int
	if n, _ := fmt.Sscanf(version, "%d.%d", &major, &minor); n < 2 {
		return false, ""
	}
	return major < 2 && minor < 29 || major == 2 && minor < 13, version
}

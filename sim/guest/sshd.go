package guest

import (
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/creack/pty"
	"github.com/gliderlabs/ssh"
	gossh "golang.org/x/crypto/ssh"
)

// loginUser is the one user that may log in, as on Amazon Linux.
const loginUser = "ec2-user"

// listenSSH serves SSH at address in the background.
func (g *guest) listenSSH(address string, signer gossh.Signer) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	go g.sshServer(signer).Serve(l)
	return nil
}

func (g *guest) sshServer(signer gossh.Signer) *ssh.Server {
	forward := &ssh.ForwardedTCPHandler{}
	allowed := func(ctx ssh.Context, host string, port uint32) bool { return ctx.User() == loginUser }
	srv := &ssh.Server{
		Version:          "labsim",
		PublicKeyHandler: g.sshKey,
		Handler:          g.sshSession,
		// The default handler of sessions speaks of subsystems that there are not.
		SubsystemHandlers:             map[string]ssh.SubsystemHandler{"sftp": g.sshSFTP},
		LocalPortForwardingCallback:   allowed,
		ReversePortForwardingCallback: allowed,
		ChannelHandlers:               map[string]ssh.ChannelHandler{"session": ssh.DefaultSessionHandler, "direct-tcpip": ssh.DirectTCPIPHandler},
		RequestHandlers: map[string]ssh.RequestHandler{
			"tcpip-forward": forward.HandleSSHRequest, "cancel-tcpip-forward": forward.HandleSSHRequest,
			"keepalive@openssh.com": func(ssh.Context, *ssh.Server, *gossh.Request) (bool, []byte) { return true, nil },
		},
	}
	srv.AddHostKey(signer)
	return srv
}

// sshKey lets root in with the same key, only to tell it the right name: that
// is what Amazon's images do.
func (g *guest) sshKey(ctx ssh.Context, key ssh.PublicKey) bool {
	return (ctx.User() == loginUser || ctx.User() == "root") && g.keys.allows(key)
}

func refuseRoot(s ssh.Session) bool {
	if s.User() == loginUser {
		return false
	}
	fmt.Fprintf(s, "Please login as the user %q rather than the user %q.\r\n\r\n", loginUser, s.User())
	s.Exit(142)
	return true
}

func (g *guest) sshSession(s ssh.Session) {
	if refuseRoot(s) {
		return
	}
	user, err := lookupAccount("/", loginUser)
	if err != nil {
		fmt.Fprintf(s.Stderr(), "labsim: %v\n", err)
		s.Exit(255)
		return
	}
	term, resize, tty := s.Pty()
	c := command{args: []string{user.shell, "-l"}, dir: user.home, user: user}
	if s.RawCommand() != "" {
		c.args = []string{user.shell, "-c", s.RawCommand()}
	}
	c.env = withEnv(withEnv(s.Environ(), user.env()...), connectionEnv(s)...)
	if tty {
		c.env = withEnv(c.env, "TERM="+term.Term)
	}
	g.sshRun(s, c, term, resize, tty)
}

// sshSFTP runs in a process of the user's own, so that the kernel checks what
// it may open.
func (g *guest) sshSFTP(s ssh.Session) {
	if refuseRoot(s) {
		return
	}
	user, err := lookupAccount("/", loginUser)
	if err != nil {
		s.Exit(255)
		return
	}
	c := command{args: []string{g.self}, argv0: "sftp-server", env: user.env(), dir: user.home, user: user}
	g.sshRun(s, c, ssh.Pty{}, nil, false)
}

func (g *guest) sshRun(s ssh.Session, c command, term ssh.Pty, resize <-chan ssh.Window, tty bool) {
	p, err := g.startSession(c, tty, uint16(term.Window.Height), uint16(term.Window.Width), true, s, s.Stderr())
	if err != nil {
		fmt.Fprintf(s.Stderr(), "labsim: %v\n", err)
		s.Exit(127)
		return
	}
	go func() {
		io.Copy(p.stdin, s)
		p.stdin.Close()
	}()
	if tty {
		go func() {
			for w := range resize {
				pty.Setsize(p.master, &pty.Winsize{Rows: uint16(w.Height), Cols: uint16(w.Width)})
			}
		}()
	}
	signals := make(chan ssh.Signal, 4)
	s.Signals(signals)
	ended := make(chan struct{})
	go func() {
		for {
			select {
			case sig := <-signals:
				g.reaper.signal(p.proc, sshSignals[sig], true)
			case <-s.Context().Done():
				g.reaper.hangUp(p.proc)
				return
			case <-ended:
				return
			}
		}
	}()
	code := p.wait()
	close(ended)
	s.Exit(code)
}

// sshSignals: RFC 4254, 6.10.
var sshSignals = map[ssh.Signal]syscall.Signal{
	ssh.SIGABRT: syscall.SIGABRT, ssh.SIGALRM: syscall.SIGALRM, ssh.SIGFPE: syscall.SIGFPE, ssh.SIGHUP: syscall.SIGHUP,
	ssh.SIGILL: syscall.SIGILL, ssh.SIGINT: syscall.SIGINT, ssh.SIGKILL: syscall.SIGKILL, ssh.SIGPIPE: syscall.SIGPIPE,
	ssh.SIGQUIT: syscall.SIGQUIT, ssh.SIGSEGV: syscall.SIGSEGV, ssh.SIGTERM: syscall.SIGTERM,
	ssh.SIGUSR1: syscall.SIGUSR1, ssh.SIGUSR2: syscall.SIGUSR2,
}

// connectionEnv is what OpenSSH tells a session about its connection.
func connectionEnv(s ssh.Session) []string {
	rh, rp, _ := net.SplitHostPort(s.RemoteAddr().String())
	lh, lp, _ := net.SplitHostPort(s.LocalAddr().String())
	return []string{
		"SSH_CLIENT=" + rh + " " + rp + " " + lp,
		"SSH_CONNECTION=" + rh + " " + rp + " " + lh + " " + lp,
	}
}

package guest

import (
	"io"
	"os"

	"github.com/pkg/sftp"

	"labsim/sim/guest/applet"
)

// sftpServer is the process behind the sftp subsystem, run as the user.
func sftpServer(c *applet.Call) int {
	srv, err := sftp.NewServer(stdio{c.In, c.Out}, sftp.WithServerWorkingDirectory(workDir()))
	if err != nil {
		return c.Fail("%v", err)
	}
	if err := srv.Serve(); err != nil && err != io.EOF {
		return c.Fail("%v", err)
	}
	return 0
}

func workDir() string {
	dir, err := os.Getwd()
	if err != nil {
		return "/"
	}
	return dir
}

type stdio struct {
	io.Reader
	io.Writer
}

func (stdio) Close() error { return os.Stdout.Close() }

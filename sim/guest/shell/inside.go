package shell

import (
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"

	"mvdan.cc/sh/v3/interp"

	"labsim/sim/guest/applet"
	"labsim/sim/guest/files"
	"labsim/sim/guest/texts"
)

// inside are the tools that a script gets without a new process, which would
// cost ten times as much as most of them. They end by themselves and look at
// nothing of their process but the working directory.
var inside = sync.OnceValue(func() map[string]applet.Func {
	m := map[string]applet.Func{}
	for _, name := range strings.Fields("base64 basename cat chmod cmp cp cut dirname egrep expr fgrep grep head ln ls md5sum mkdir mv nl readlink rm rmdir sed seq sha256sum sort stat tac tail touch tr uniq wc") {
		if m[name] = files.Applets[name]; m[name] == nil {
			m[name] = texts.Applets[name]
		}
	}
	return m
})

// own is our binary's file and the working directory, as they were at the start.
var own = sync.OnceValues(func() (os.FileInfo, string) {
	self, err := os.Executable()
	if err != nil {
		return nil, ""
	}
	info, _ := os.Stat(self)
	dir, _ := os.Getwd()
	return info, dir
})

// runInside runs a tool in this process, if it is one of ours that can be: done
// says so. A prompt's tools are processes, which Ctrl-C ends.
func (s *shell) runInside(hc interp.HandlerContext, path string, args []string) (status int, done bool) {
	f := inside()[args[0]]
	if f == nil || s.prompt || args[0] == "tail" && strings.ContainsAny(strings.Join(args[1:], ""), "fF") {
		return 0, false
	}
	self, dir := own()
	info, err := os.Stat(path)
	if err != nil || self == nil || hc.Dir != dir || !os.SameFile(info, self) {
		return 0, false
	}
	in := hc.Stdin
	if file, ok := in.(*os.File); in == nil || ok && file == nil {
		in = strings.NewReader("")
	}
	defer func() {
		if r := recover(); r == errPipe {
			status, done = 128+int(syscall.SIGPIPE), true
		} else if r != nil {
			panic(r)
		}
	}()
	return f(&applet.Call{Name: args[0], Args: args[1:], In: in, Out: pipeWriter{hc.Stdout}, Err: hc.Stderr}), true
}

// errPipe stands for SIGPIPE, which ends a process that writes for nobody.
var errPipe = errors.New("broken pipe")

type pipeWriter struct{ io.Writer }

func (w pipeWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		panic(errPipe)
	}
	return n, err
}

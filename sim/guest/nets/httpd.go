package nets

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"labsim/sim/guest/applet"
)

// server is httpd, with the flags and the CGI of BusyBox': programs in
// /cgi-bin/, and /cgi-bin/index.cgi (or index) for a directory without an
// index.html.
type server struct {
	call    *applet.Call
	root    string
	port    string
	verbose bool
}

// httpdReady is set in the process in the background; it closes descriptor 3
// when it listens.
const httpdReady = "LABSIM_HTTPD_READY"

func httpd(c *applet.Call) int {
	args := append([]string{}, c.Args...)
	f, ok := c.Parse("p:h:fvic:u:r:")
	if !ok {
		return 1
	}
	if f.Has('i', 'r') {
		return c.Fail("only -p, -h, -f, -v, -c and -u are supported")
	}
	address := f.Get('p', "80")
	if !strings.Contains(address, ":") {
		address = ":" + address
	}
	if !f.Has('f') && os.Getenv(httpdReady) == "" {
		return daemon(c, args)
	}
	root, err := filepath.Abs(f.Get('h', "."))
	if err != nil {
		return c.Fail("%v", err)
	}
	if st, err := os.Stat(root); err != nil || !st.IsDir() {
		return c.Fail("can't change directory to '%s'", root)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return c.Fail("bind: %s", reason(err))
	}
	if os.Getenv(httpdReady) != "" {
		os.Unsetenv(httpdReady)
		// What ps shows: it was started by the program's own path, which is init.
		_ = os.WriteFile("/proc/self/task/"+strconv.Itoa(os.Getpid())+"/comm", []byte("httpd"), 0)
		os.NewFile(3, "ready").Close()
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	s := &server{call: c, root: root, port: port, verbose: f.Has('v')}
	srv := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	return c.Fail("%v", srv.Serve(l))
}

// daemon starts ourselves again in the background, and waits until it listens.
func daemon(c *applet.Call, args []string) int {
	self, err := os.Executable()
	if err != nil {
		return c.Fail("%v", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return c.Fail("%v", err)
	}
	// The working directory stays: -h may be relative.
	cmd := &exec.Cmd{Path: self, Args: append([]string{"httpd"}, args...), Env: append(os.Environ(), httpdReady+"=1"),
		ExtraFiles: []*os.File{w}, SysProcAttr: &syscall.SysProcAttr{Setsid: true}}
	// What it has to say goes to the instance's console: a pipe of the caller's
	// would stay open for ever.
	if console, err := os.OpenFile("/dev/console", os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
		cmd.Stderr = console
		defer console.Close()
	}
	if err := cmd.Start(); err != nil {
		return c.Fail("%v", err)
	}
	w.Close()
	r.Read(make([]byte, 1)) // ends when it listens, or when it has died
	died := make(chan int, 1)
	go func() {
		cmd.Wait()
		died <- cmd.ProcessState.ExitCode()
	}()
	select {
	case code := <-died:
		return code
	case <-time.After(20 * time.Millisecond):
		return 0
	}
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.verbose {
		fmt.Fprintf(s.call.Err, "%s: %s %s\n", r.RemoteAddr, r.Method, r.URL.Path)
	}
	name := path.Clean("/" + r.URL.Path)
	if script, info := s.cgi(name); script != "" {
		s.runCGI(w, r, script, info)
		return
	}
	file := filepath.Join(s.root, filepath.FromSlash(name))
	st, err := os.Stat(file)
	if err == nil && st.IsDir() {
		s.directory(w, r, file, name)
		return
	}
	if err != nil || !st.Mode().IsRegular() {
		http.Error(w, "404 Not Found\nThe requested URL was not found", http.StatusNotFound)
		return
	}
	serveFile(w, r, file, st)
}

func serveFile(w http.ResponseWriter, r *http.Request, file string, st os.FileInfo) {
	f, err := os.Open(file)
	if err != nil {
		http.Error(w, "403 Forbidden", http.StatusForbidden)
		return
	}
	defer f.Close()
	http.ServeContent(w, r, filepath.Base(file), st.ModTime(), f)
}

func (s *server) directory(w http.ResponseWriter, r *http.Request, dir, name string) {
	if !strings.HasSuffix(r.URL.Path, "/") {
		http.Redirect(w, r, name+"/", http.StatusFound)
		return
	}
	index := filepath.Join(dir, "index.html")
	if st, err := os.Stat(index); err == nil {
		serveFile(w, r, index, st)
		return
	}
	for _, script := range []string{"/cgi-bin/index.cgi", "/cgi-bin/index"} {
		if executable(filepath.Join(s.root, script)) && name == "/" {
			s.runCGI(w, r, script, "")
			return
		}
	}
	http.Error(w, "404 Not Found\nThe requested URL was not found", http.StatusNotFound)
}

// cgi splits a path below /cgi-bin/ into script and PATH_INFO.
func (s *server) cgi(name string) (script, info string) {
	rest, ok := strings.CutPrefix(name, "/cgi-bin/")
	if !ok {
		return "", ""
	}
	script = "/cgi-bin"
	for rest != "" {
		part, after, _ := strings.Cut(rest, "/")
		script += "/" + part
		if st, err := os.Stat(filepath.Join(s.root, script)); err != nil || !st.IsDir() {
			if after != "" {
				info = "/" + after
			}
			return script, info
		}
		rest = after
	}
	return "", ""
}

func executable(file string) bool {
	st, err := os.Stat(file)
	return err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0
}

// runCGI runs a program by RFC 3875.
func (s *server) runCGI(w http.ResponseWriter, r *http.Request, script, info string) {
	file := filepath.Join(s.root, script)
	if _, err := os.Stat(file); err != nil {
		http.Error(w, "404 Not Found\nThe requested URL was not found", http.StatusNotFound)
		return
	}
	if !executable(file) {
		http.Error(w, "403 Forbidden\n"+script+" is not executable", http.StatusForbidden)
		return
	}
	cmd := exec.CommandContext(r.Context(), file)
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stderr = filepath.Dir(file), s.cgiEnv(r, script, info), r.Body, s.call.Err
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if errors.Is(err, syscall.ENOEXEC) {
		err = fmt.Errorf("%s: it needs a first line like #!/bin/sh", script)
	}
	if err != nil {
		s.call.Fail("%v", err)
		http.Error(w, "500 Internal Server Error\n"+err.Error(), http.StatusInternalServerError)
		return
	}
	defer cmd.Wait()
	body := bufio.NewReader(out)
	header, err := textproto.NewReader(body).ReadMIMEHeader()
	if err != nil {
		http.Error(w, "500 Internal Server Error\n"+script+" printed no header: "+err.Error(), http.StatusInternalServerError)
		io.Copy(io.Discard, body)
		return
	}
	status := http.StatusOK
	if n, _ := strconv.Atoi(strings.Fields(header.Get("Status") + " x")[0]); n >= 100 {
		status = n
	} else if header.Get("Location") != "" {
		status = http.StatusFound
	}
	header.Del("Status")
	for k, v := range header {
		w.Header()[k] = v
	}
	w.WriteHeader(status)
	io.Copy(w, body)
}

func (s *server) cgiEnv(r *http.Request, script, info string) []string {
	host, port, _ := net.SplitHostPort(r.RemoteAddr)
	name, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		name = r.Host
	}
	env := append(os.Environ(),
		"GATEWAY_INTERFACE=CGI/1.1", "SERVER_SOFTWARE=labsim httpd", "SERVER_PROTOCOL="+r.Proto, "SERVER_NAME="+name, "SERVER_PORT="+s.port,
		"REQUEST_METHOD="+r.Method, "REQUEST_URI="+r.URL.RequestURI(), "QUERY_STRING="+r.URL.RawQuery,
		"SCRIPT_NAME="+script, "SCRIPT_FILENAME="+filepath.Join(s.root, script), "PATH_INFO="+info,
		"DOCUMENT_ROOT="+s.root, "REMOTE_ADDR="+host, "REMOTE_PORT="+port)
	if r.ContentLength >= 0 {
		env = append(env, "CONTENT_LENGTH="+strconv.FormatInt(r.ContentLength, 10))
	}
	if t := r.Header.Get("Content-Type"); t != "" {
		env = append(env, "CONTENT_TYPE="+t)
	}
	if a, ok := s.localAddress(r); ok {
		env = append(env, "SERVER_ADDR="+a)
	}
	for k, v := range r.Header {
		if k != "Proxy" { // HTTP_PROXY would be believed by the programs that a script calls
			env = append(env, "HTTP_"+strings.ToUpper(strings.ReplaceAll(k, "-", "_"))+"="+strings.Join(v, ", "))
		}
	}
	return env
}

func (s *server) localAddress(r *http.Request) (string, bool) {
	a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return "", false
	}
	host, _, err := net.SplitHostPort(a.String())
	return host, err == nil
}

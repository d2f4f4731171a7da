package nets

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"labsim/sim/guest/applet"
)

// curlOptions are those of a call, after the flags have been read.
type curlOptions struct {
	call        *applet.Call
	flags       applet.Flags
	client      *http.Client
	method      string
	headers     http.Header
	host        string
	body        []byte
	hasBody     bool
	timeConnect time.Duration
	began       time.Time
}

var curlLong = []string{
	"silent=s", "show-error=S", "output=o", "remote-name=O", "include=i", "head=I", "request=X", "data=d", "data-raw=D", "data-binary=B", "header=H",
	"location=L", "fail=f", "max-time=m", "write-out=w", "insecure=k", "verbose=v", "user=u", "connect-timeout=c", "user-agent=A", "get=G",
	"referer=e", "cookie=b", "form=F", "upload-file=T", "interface=n", "ipv4=4", "ipv6=6", "resolve=r", "retry=t", "retry-delay=y", "compressed=z",
	"noproxy=x", "http1.1=1", "retry-connrefused=q", "no-progress-meter=p", "fail-with-body=j",
}

// curl transfers URLs by HTTP, with the options that are in use.
func curl(c *applet.Call) int {
	f, ok := c.Parse("sSo:OiIX:d:D:B:H:Lfm:w:kvu:c:A:Ge:b:F:T:n:46r:t:y:zx:1qpjNg", curlLong...)
	if !ok {
		return 2
	}
	if len(c.Args) == 0 {
		return c.Usage("[OPTION...] URL...")
	}
	o := &curlOptions{call: c, flags: f, headers: http.Header{}}
	if err := o.prepare(); err != nil {
		return o.fail(2, "%v", err)
	}
	tries, ok := c.Int(f, 't', 0)
	if !ok {
		return 2
	}
	status := 0
	for i, u := range c.Args {
		for try := 0; ; try++ {
			status = o.fetch(u, i)
			if status == 0 || try >= tries {
				break
			}
			time.Sleep(time.Second)
		}
	}
	return status
}

func (o *curlOptions) fail(code int, format string, args ...any) int {
	if !o.flags.Has('s') || o.flags.Has('S') {
		fmt.Fprintf(o.call.Err, "curl: (%d) "+format+"\n", append([]any{code}, args...)...)
	}
	return code
}

func (o *curlOptions) prepare() error {
	f := o.flags
	connect, err1 := seconds(f.Get('c', "0"))
	total, err2 := seconds(f.Get('m', "0"))
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	o.method = "GET"
	for _, l := range []byte("dDB") {
		for _, d := range f[l] {
			data, err := readData(o.call, d, l)
			if err != nil {
				return err
			}
			if o.hasBody {
				o.body = append(o.body, '&')
			}
			o.body, o.hasBody = append(o.body, data...), true
		}
	}
	switch {
	case f.Has('I'):
		o.method = "HEAD"
	case f.Has('T'):
		data, err := readAll(o.call, f.Get('T', ""))
		if err != nil {
			return err
		}
		o.method, o.body, o.hasBody = "PUT", data, true
	case o.hasBody && !f.Has('G'):
		o.method = "POST"
		o.headers.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	o.method = f.Get('X', o.method)
	o.headers.Set("User-Agent", f.Get('A', "curl/8.0 (labsim)"))
	o.headers.Set("Accept", "*/*")
	if f.Has('b') {
		o.headers.Set("Cookie", f.Get('b', ""))
	}
	if f.Has('e') {
		o.headers.Set("Referer", f.Get('e', ""))
	}
	for _, h := range f['H'] {
		name, value, _ := strings.Cut(h, ":")
		value = strings.TrimSpace(value)
		switch {
		case strings.EqualFold(name, "host"):
			o.host = value
		case value == "":
			o.headers.Del(name)
		default:
			o.headers.Set(name, value)
		}
	}
	o.client = o.newClient(connect, total)
	return nil
}

func readData(c *applet.Call, d string, letter byte) ([]byte, error) {
	if !strings.HasPrefix(d, "@") || letter == 'D' {
		return []byte(d), nil
	}
	data, err := readAll(c, d[1:])
	if letter == 'd' {
		data = bytes.ReplaceAll(bytes.ReplaceAll(data, []byte("\n"), nil), []byte("\r"), nil)
	}
	return data, err
}

func readAll(c *applet.Call, name string) ([]byte, error) {
	r, err := c.Open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func (o *curlOptions) newClient(connect, total time.Duration) *http.Client {
	network := ""
	if o.flags.Has('4') {
		network = "tcp4"
	}
	d := &net.Dialer{Timeout: connect}
	if ip := net.ParseIP(o.flags.Get('n', "")); ip != nil {
		d.LocalAddr = &net.TCPAddr{IP: ip}
	}
	t := &http.Transport{
		Proxy:              http.ProxyFromEnvironment,
		DisableCompression: !o.flags.Has('z'),
		TLSClientConfig:    &tls.Config{InsecureSkipVerify: o.flags.Has('k')}, // asked for by -k
		DialContext: func(ctx context.Context, n, address string) (net.Conn, error) {
			if network != "" {
				n = network
			}
			for _, r := range o.flags['r'] { // HOST:PORT:ADDRESS
				if to, ok := strings.CutPrefix(r, address+":"); ok {
					_, port, _ := net.SplitHostPort(address)
					address = net.JoinHostPort(to, port)
				}
			}
			conn, err := d.DialContext(ctx, n, address)
			o.timeConnect = time.Since(o.began)
			if err == nil && o.flags.Has('v') {
				fmt.Fprintf(o.call.Err, "* Connected to %s\n", conn.RemoteAddr())
			}
			return conn, err
		},
	}
	client := &http.Client{Transport: t, Timeout: total}
	if !o.flags.Has('L') {
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	return client
}

func (o *curlOptions) fetch(address string, i int) int {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil {
		return o.fail(3, "URL using bad/illegal format or missing URL")
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return o.fail(1, "Protocol %q not supported", u.Scheme)
	}
	if o.flags.Has('G') && o.hasBody {
		u.RawQuery = strings.TrimPrefix(u.RawQuery+"&"+string(o.body), "&")
	}
	var body io.Reader
	if o.hasBody && !o.flags.Has('G') {
		body = bytes.NewReader(o.body)
	}
	req, err := http.NewRequest(o.method, u.String(), body)
	if err != nil {
		return o.fail(3, "%v", err)
	}
	req.Header = o.headers.Clone()
	req.Host = o.host
	if user, password, ok := strings.Cut(o.flags.Get('u', ""), ":"); ok || user != "" {
		req.SetBasicAuth(user, password)
	}
	if o.flags.Has('v') {
		fmt.Fprintf(o.call.Err, "> %s %s HTTP/1.1\n> Host: %s\n", req.Method, req.URL.RequestURI(), req.URL.Host)
		writeHeader(o.call.Err, "> ", req.Header)
	}
	o.began = time.Now()
	resp, err := o.client.Do(req)
	if err != nil {
		o.writeOut(nil, 0, u)
		return o.failure(u, err)
	}
	defer resp.Body.Close()
	return o.receive(resp, u, i)
}

// failure gives an error curl's number.
func (o *curlOptions) failure(u *url.URL, err error) int {
	var dns *net.DNSError
	var t interface{ Timeout() bool }
	switch {
	case errors.As(err, &dns):
		return o.fail(6, "Could not resolve host: %s", u.Hostname())
	case errors.As(err, &t) && t.Timeout():
		return o.fail(28, "Connection timed out after %d ms", time.Since(o.began).Milliseconds())
	case errors.Is(err, io.EOF):
		return o.fail(52, "Empty reply from server")
	case errors.Is(err, syscall.ECONNRESET):
		return o.fail(56, "Recv failure: Connection reset by peer")
	case strings.Contains(err.Error(), "tls:"), strings.Contains(err.Error(), "x509:"):
		return o.fail(60, "%v", err)
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return o.fail(7, "Failed to connect to %s port %s: %s", u.Hostname(), port, reason(err))
}

func (o *curlOptions) receive(resp *http.Response, u *url.URL, i int) int {
	if o.flags.Has('v') {
		fmt.Fprintf(o.call.Err, "< %s %s\n", resp.Proto, resp.Status)
		writeHeader(o.call.Err, "< ", resp.Header)
	}
	if resp.StatusCode >= 400 && o.flags.Has('f') {
		o.writeOut(resp, 0, u)
		return o.fail(22, "The requested URL returned error: %d", resp.StatusCode)
	}
	out, closeOut, err := o.output(u, i)
	if err != nil {
		return o.fail(23, "Failure writing output to destination: %v", err)
	}
	defer closeOut()
	if o.flags.Has('i', 'I') {
		fmt.Fprintf(out, "%s %s\r\n", resp.Proto, resp.Status)
		writeHeader(out, "", resp.Header)
		io.WriteString(out, "\r\n")
	}
	n, err := io.Copy(out, resp.Body)
	o.writeOut(resp, n, u)
	if err != nil {
		var t interface{ Timeout() bool }
		if errors.As(err, &t) && t.Timeout() {
			return o.fail(28, "Operation timed out after %d ms with %d bytes received", time.Since(o.began).Milliseconds(), n)
		}
		return o.fail(18, "%v", err)
	}
	if resp.StatusCode >= 400 && o.flags.Has('j') {
		return o.fail(22, "The requested URL returned error: %d", resp.StatusCode)
	}
	return 0
}

func (o *curlOptions) output(u *url.URL, i int) (io.Writer, func(), error) {
	name := ""
	if files := o.flags['o']; i < len(files) {
		name = files[i]
	} else if o.flags.Has('O') {
		name = fileOf(u)
	}
	if name == "" || name == "-" {
		return o.call.Out, func() {}, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, nil, err
	}
	return f, func() { f.Close() }, nil
}

func fileOf(u *url.URL) string {
	name := path.Base(u.Path)
	if name == "." || name == "/" {
		return "index.html"
	}
	return name
}

func writeHeader(w io.Writer, lead string, h http.Header) {
	for k, values := range h {
		for _, v := range values {
			fmt.Fprintf(w, "%s%s: %s\r\n", lead, k, v)
		}
	}
}

// writeOut is -w: %{http_code} and others, \n and \t.
func (o *curlOptions) writeOut(resp *http.Response, size int64, u *url.URL) {
	text := o.flags.Get('w', "")
	if text == "" {
		return
	}
	code, kind, redirect, final, remote := 0, "", "", u.String(), ""
	if resp != nil {
		code, kind, redirect, final = resp.StatusCode, resp.Header.Get("Content-Type"), resp.Header.Get("Location"), resp.Request.URL.String()
		remote = resp.Request.URL.Hostname()
	}
	secs := func(d time.Duration) string { return fmt.Sprintf("%.6f", d.Seconds()) }
	fmt.Fprint(o.call.Out, strings.NewReplacer(
		"%{http_code}", fmt.Sprintf("%03d", code), "%{response_code}", fmt.Sprintf("%03d", code), "%{size_download}", fmt.Sprint(size),
		"%{content_type}", kind, "%{redirect_url}", redirect, "%{url_effective}", final, "%{remote_ip}", remote,
		"%{time_total}", secs(time.Since(o.began)), "%{time_connect}", secs(o.timeConnect), `\n`, "\n", `\t`, "\t", `\r`, "\r", "%%", "%",
	).Replace(text))
}

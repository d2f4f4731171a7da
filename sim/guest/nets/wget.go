package nets

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"strings"

	"labsim/sim/guest/applet"
)

// wget is `wget [-q] [-O FILE] [-S] [-T SECONDS] [--spider] URL...`.
func wget(c *applet.Call) int {
	f, ok := c.Parse("qO:ST:scP:U:t:nv:K:D:H:X:M:", "quiet=q", "output-document=O", "server-response=S", "timeout=T", "spider=s", "continue=c",
		"directory-prefix=P", "user-agent=U", "tries=t", "no-check-certificate=n", "post-data=D", "post-file=K", "header=H", "method=X", "body-data=M")
	if !ok {
		return 2
	}
	if len(c.Args) == 0 {
		return c.Usage("[-q] [-O FILE] [-S] [-T SECONDS] [--spider] URL...")
	}
	wait, err := seconds(f.Get('T', "0"))
	if err != nil {
		return c.Fail("%v", err)
	}
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: wait}).DialContext, ResponseHeaderTimeout: wait,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: f.Has('n')}, DisableCompression: true}
	w := &wgetCall{c, f, &http.Client{Transport: t}}
	status := 0
	for _, u := range c.Args {
		if code := w.get(u); code != 0 {
			status = code
		}
	}
	return status
}

type wgetCall struct {
	call   *applet.Call
	flags  applet.Flags
	client *http.Client
}

func (w *wgetCall) get(address string) int {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	req, err := w.request(address)
	if err != nil {
		return w.call.Fail("%v", err)
	}
	if !w.flags.Has('q') {
		fmt.Fprintf(w.call.Err, "Connecting to %s\n", req.URL.Host)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		w.call.Fail("can't connect to remote host (%s): %s", req.URL.Hostname(), reason(err))
		return 1
	}
	defer resp.Body.Close()
	if w.flags.Has('S') {
		fmt.Fprintf(w.call.Err, "  %s %s\n", resp.Proto, resp.Status)
		writeHeader(w.call.Err, "  ", resp.Header)
	}
	if resp.StatusCode >= 400 {
		w.call.Fail("server returned error: %s %s", resp.Proto, resp.Status)
		return 1
	}
	if w.flags.Has('s') {
		if !w.flags.Has('q') {
			fmt.Fprintln(w.call.Err, "remote file exists")
		}
		return 0
	}
	return w.save(resp)
}

func (w *wgetCall) request(address string) (*http.Request, error) {
	method, body := "GET", ""
	switch {
	case w.flags.Has('s'):
		method = "HEAD"
	case w.flags.Has('K'):
		data, err := readAll(w.call, w.flags.Get('K', ""))
		if err != nil {
			return nil, err
		}
		method, body = "POST", string(data)
	case w.flags.Has('D'):
		method, body = "POST", w.flags.Get('D', "")
	}
	method = w.flags.Get('X', method)
	if w.flags.Has('M') {
		body = w.flags.Get('M', "")
	}
	req, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", w.flags.Get('U', "Wget"))
	if method == "POST" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, h := range w.flags['H'] {
		name, value, _ := strings.Cut(h, ":")
		req.Header.Set(name, strings.TrimSpace(value))
	}
	return req, nil
}

func (w *wgetCall) save(resp *http.Response) int {
	name := w.flags.Get('O', path.Join(w.flags.Get('P', ""), fileOf(resp.Request.URL)))
	out := w.call.Out
	if name != "-" {
		f, err := os.Create(name)
		if err != nil {
			return w.call.FailOn(name, err)
		}
		defer f.Close()
		out = f
	}
	n, err := io.Copy(out, resp.Body)
	if err != nil {
		return w.call.Fail("%s", reason(err))
	}
	if !w.flags.Has('q') && name != "-" {
		fmt.Fprintf(w.call.Err, "'%s' saved (%d bytes)\n", name, n)
	}
	return 0
}

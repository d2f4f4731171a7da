package files

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"labsim/sim/guest/applet"
)

// dd copies blocks: if= of= bs= count= skip= seek= conv=notrunc,fsync,sync status=none.
func dd(c *applet.Call) int {
	o := map[string]string{"bs": "512", "count": "", "skip": "0", "seek": "0"}
	for _, a := range c.Args {
		name, value, ok := strings.Cut(a, "=")
		if !ok {
			return c.Fail("invalid argument '%s'", a)
		}
		o[name] = value
	}
	if v := o["ibs"]; v != "" {
		o["bs"] = v
	}
	n := map[string]int64{}
	for _, name := range []string{"bs", "skip", "seek", "count"} {
		if o[name] == "" {
			n[name] = -1
			continue
		}
		v, err := bytesOf(o[name])
		if err != nil {
			return c.Fail("%v", err)
		}
		n[name] = v
	}
	if n["bs"] <= 0 || n["bs"] > 1<<30 {
		return c.Fail("invalid number '%s'", o["bs"])
	}
	in, out, err := ddFiles(c, o, n)
	if err != nil {
		return c.Fail("%v", err)
	}
	began := time.Now()
	buf := make([]byte, n["bs"])
	var full, part, total int64
	for n["count"] < 0 || full+part < n["count"] {
		size, rerr := in.Read(buf)
		if o["iflag"] == "fullblock" && size > 0 && size < len(buf) && rerr == nil {
			var more int
			more, rerr = io.ReadFull(in, buf[size:])
			size += more
		}
		if size > 0 {
			if int64(size) == n["bs"] {
				full++
			} else {
				part++
			}
			if _, err := out.Write(buf[:size]); err != nil {
				return c.Fail("write error: %v", applet.Cause(err))
			}
			total += int64(size)
		}
		if rerr == io.EOF || rerr == io.ErrUnexpectedEOF || size == 0 && rerr == nil {
			break
		}
		if rerr != nil {
			return c.Fail("read error: %v", applet.Cause(rerr))
		}
	}
	if f, ok := out.(*os.File); ok && f != os.Stdout {
		if strings.Contains(o["conv"], "sync") {
			f.Sync()
		}
		if err := f.Close(); err != nil {
			return c.Fail("%v", err)
		}
	}
	if o["status"] != "none" {
		took := time.Since(began).Seconds()
		fmt.Fprintf(c.Err, "%d+%d records in\n%d+%d records out\n%d bytes (%s) copied, %.6f seconds, %s/s\n",
			full, part, full, part, total, applet.Size(total), took, applet.Size(int64(float64(total)/max(took, 1e-9))))
	}
	return 0
}

func ddFiles(c *applet.Call, o map[string]string, n map[string]int64) (io.Reader, io.Writer, error) {
	in, out := c.In, c.Out
	if o["if"] != "" {
		f, err := os.Open(o["if"])
		if err != nil {
			return nil, nil, err
		}
		in = f
	}
	if skip := n["skip"] * n["bs"]; skip > 0 {
		if s, ok := in.(io.Seeker); !ok || seekFails(s, skip) {
			if _, err := io.CopyN(io.Discard, in, skip); err != nil && err != io.EOF {
				return nil, nil, err
			}
		}
	}
	if o["of"] != "" {
		f, err := os.OpenFile(o["of"], os.O_WRONLY|os.O_CREATE, 0o666)
		if err != nil {
			return nil, nil, err
		}
		at := n["seek"] * n["bs"]
		if st, err := f.Stat(); err == nil && st.Mode().IsRegular() && !strings.Contains(o["conv"], "notrunc") {
			if err := f.Truncate(at); err != nil {
				return nil, nil, err
			}
		}
		if at > 0 {
			if _, err := f.Seek(at, io.SeekStart); err != nil {
				return nil, nil, err
			}
		}
		out = f
	}
	return in, out, nil
}

func seekFails(s io.Seeker, n int64) bool {
	_, err := s.Seek(n, io.SeekCurrent)
	return err != nil
}

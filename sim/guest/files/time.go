package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"labsim/sim/guest/applet"
)

func touch(c *applet.Call) int {
	f, ok := c.Parse("acmr:d:t:h", "no-create=c", "reference=r", "date=d")
	if !ok {
		return 1
	}
	at := time.Now()
	if f.Has('r') {
		info, err := os.Stat(f.Get('r', ""))
		if err != nil {
			return c.FailOn(f.Get('r', ""), err)
		}
		at = info.ModTime()
	}
	if f.Has('d', 't') {
		var err error
		if at, err = parseTime(f.Get('d', f.Get('t', ""))); err != nil {
			return c.Fail("%v", err)
		}
	}
	status := 0
	for _, name := range c.Args {
		if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
			if f.Has('c') {
				continue
			}
			file, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o666)
			if err != nil {
				status = c.FailOn(name, err)
				continue
			}
			file.Close()
		}
		accessed, changed := at, at
		if f.Has('a') && !f.Has('m') {
			changed = time.Time{}
		}
		if f.Has('m') && !f.Has('a') {
			accessed = time.Time{}
		}
		if err := os.Chtimes(name, accessed, changed); err != nil {
			status = c.FailOn(name, err)
		}
	}
	return status
}

func parseTime(s string) (time.Time, error) {
	if n, ok := strings.CutPrefix(s, "@"); ok {
		sec, err := strconv.ParseInt(n, 10, 64)
		return time.Unix(sec, 0), err
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02", "200601021504.05", "200601021504"} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("invalid date '%s'", s)
}

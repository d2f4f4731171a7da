package texts

import (
	"fmt"
	"os"
	"strings"
	"time"

	"labsim/sim/guest/applet"
)

// date is `date [-u] [-d TIME] [-Is] [+FORMAT]`.
func date(c *applet.Call) int {
	f, ok := c.Parse("ud:Rr:s:I", "utc=u", "date=d", "rfc-email=R", "reference=r", "iso-8601=I", "set=s")
	if !ok {
		return 1
	}
	if f.Has('s') {
		return c.Fail("cannot set date: Operation not permitted")
	}
	at := time.Now()
	if f.Has('r') {
		info, err := os.Stat(f.Get('r', ""))
		if err != nil {
			return c.FailOn(f.Get('r', ""), err)
		}
		at = info.ModTime()
	}
	if f.Has('d') {
		t, err := parseDate(f.Get('d', ""), at)
		if err != nil {
			return c.Fail("%v", err)
		}
		at = t
	}
	if f.Has('u') {
		at = at.UTC()
	}
	format := "%a %b %e %H:%M:%S %Z %Y"
	switch {
	case len(c.Args) > 0 && strings.HasPrefix(c.Args[0], "+"):
		format = c.Args[0][1:]
	case len(c.Args) > 0:
		return c.Fail("cannot set date: Operation not permitted")
	case f.Has('R'):
		format = "%a, %d %b %Y %H:%M:%S %z"
	case f.Has('I'):
		format = "%Y-%m-%dT%H:%M:%S%z"
	}
	fmt.Fprintln(c.Out, strftime(format, at))
	return 0
}

func parseDate(s string, now time.Time) (time.Time, error) {
	var sec float64
	if _, err := fmt.Sscanf(s, "@%f", &sec); err == nil {
		return time.Unix(0, int64(sec*1e9)), nil
	}
	switch s {
	case "now", "":
		return now, nil
	case "yesterday":
		return now.AddDate(0, 0, -1), nil
	case "tomorrow":
		return now.AddDate(0, 0, 1), nil
	}
	var n int
	var unit, ago string
	if k, _ := fmt.Sscanf(strings.TrimPrefix(s, "+"), "%d %s %s", &n, &unit, &ago); k >= 2 {
		if ago == "ago" {
			n = -n
		}
		switch strings.TrimSuffix(unit, "s") {
		case "second", "sec":
			return now.Add(time.Duration(n) * time.Second), nil
		case "minute", "min":
			return now.Add(time.Duration(n) * time.Minute), nil
		case "hour":
			return now.Add(time.Duration(n) * time.Hour), nil
		case "day":
			return now.AddDate(0, 0, n), nil
		case "week":
			return now.AddDate(0, 0, 7*n), nil
		case "month":
			return now.AddDate(0, n, 0), nil
		case "year":
			return now.AddDate(n, 0, 0), nil
		}
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05 MST", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02", time.UnixDate, time.RFC1123, time.RFC1123Z} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	return now, fmt.Errorf("invalid date '%s'", s)
}

var dateLayouts = map[byte]string{'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'h': "Jan", 'd': "02", 'e': "_2", 'H': "15", 'I': "03", 'm': "01",
	'M': "04", 'p': "PM", 'S': "05", 'y': "06", 'Y': "2006", 'Z': "MST", 'z': "-0700", 'T': "15:04:05", 'F': "2006-01-02", 'D': "01/02/06", 'R': "15:04",
	'c': "Mon Jan _2 15:04:05 2006", 'x': "01/02/06", 'X': "15:04:05", 'r': "03:04:05 PM", 'l': "_3", 'N': "000000000", 'j': "002"}

func strftime(format string, t time.Time) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		l := format[i]
		if l == '-' && i+1 < len(format) { // without padding
			i++
			b.WriteString(strings.TrimLeft(t.Format(dateLayouts[format[i]]), "0 "))
			continue
		}
		switch l {
		case '%':
			b.WriteByte('%')
		case 'n':
			b.WriteByte('\n')
		case 't':
			b.WriteByte('\t')
		case 's':
			fmt.Fprint(&b, t.Unix())
		case 'N':
			fmt.Fprintf(&b, "%09d", t.Nanosecond())
		case 'k':
			fmt.Fprintf(&b, "%2d", t.Hour())
		case 'u':
			fmt.Fprint(&b, (int(t.Weekday())+6)%7+1)
		case 'w':
			fmt.Fprint(&b, int(t.Weekday()))
		case 'V':
			_, week := t.ISOWeek()
			fmt.Fprintf(&b, "%02d", week)
		default:
			if layout := dateLayouts[l]; layout != "" {
				b.WriteString(t.Format(layout))
			} else {
				b.WriteString("%" + string(l))
			}
		}
	}
	return b.String()
}

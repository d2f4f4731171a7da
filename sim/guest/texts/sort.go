package texts

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"labsim/sim/guest/applet"
)

type sortKey struct {
	from, to         int // fields, from 1; to 0 is the end of the line
	fromChar, toChar int
	flags            string
}

func sortLines(c *applet.Call) int {
	f, ok := c.Parse("nrufbdhVcsmk:t:o:gMzT:", "numeric-sort=n", "reverse=r", "unique=u", "ignore-case=f", "key=k", "field-separator=t", "output=o",
		"human-numeric-sort=h", "version-sort=V", "check=c", "stable=s")
	if !ok {
		return 2
	}
	var keys []sortKey
	for _, k := range f['k'] {
		key, err := parseKey(k)
		if err != nil {
			c.Fail("%v", err)
			return 2
		}
		keys = append(keys, key)
	}
	global := ""
	for _, l := range []byte("nrfbdhVgM") {
		if f.Has(l) {
			global += string(l)
		}
	}
	lines, status := readLines(c, c.Args)
	if status != 0 {
		return 2
	}
	sep := f.Get('t', "")
	order := func(a, b string) int { return compareKeys(a, b, keys, sep, global) }
	full := func(a, b string) int {
		n := order(a, b)
		if n == 0 && !f.Has('s', 'u') {
			n = strings.Compare(a, b)
			if f.Has('r') {
				n = -n
			}
		}
		return n
	}
	if f.Has('c') {
		if !slices.IsSortedFunc(lines, full) {
			return c.Fail("disorder")
		}
		return 0
	}
	slices.SortStableFunc(lines, full)
	if f.Has('u') {
		lines = slices.CompactFunc(lines, func(a, b string) bool { return order(a, b) == 0 })
	}
	out := c.Out
	if f.Has('o') {
		file, err := os.Create(f.Get('o', ""))
		if err != nil {
			c.FailOn(f.Get('o', ""), err)
			return 2
		}
		defer file.Close()
		out = file
	}
	w := bufio.NewWriter(out)
	defer w.Flush()
	for _, l := range lines {
		fmt.Fprintln(w, l)
	}
	return 0
}

func parseKey(s string) (sortKey, error) {
	var k sortKey
	part := func(s string) (field, char int, err error) {
		end := strings.IndexFunc(s, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
		if end >= 0 {
			k.flags += s[end:]
			s = s[:end]
		}
		a, b, dot := strings.Cut(s, ".")
		if field, err = strconv.Atoi(a); err == nil && dot {
			char, err = strconv.Atoi(b)
		}
		if err != nil {
			err = fmt.Errorf("bad key '%s'", s)
		}
		return field, char, err
	}
	from, to, both := strings.Cut(s, ",")
	var err error
	if k.from, k.fromChar, err = part(from); err == nil && both {
		k.to, k.toChar, err = part(to)
	}
	return k, err
}

func (k sortKey) of(line, sep string) string {
	starts, ends := fieldBounds(line, sep)
	if k.from > len(starts) {
		return ""
	}
	at, end := starts[k.from-1], len(line)
	if k.fromChar > 1 {
		at = min(at+k.fromChar-1, len(line))
	}
	if k.to > 0 && k.to <= len(ends) {
		end = ends[k.to-1]
		if k.toChar > 0 {
			end = min(starts[k.to-1]+k.toChar, end)
		}
	}
	if end < at {
		return ""
	}
	return line[at:end]
}

// fieldBounds: without a separator a field begins with the blanks before it.
func fieldBounds(line, sep string) (starts, ends []int) {
	if sep != "" {
		at := 0
		for {
			i := strings.Index(line[at:], sep)
			starts = append(starts, at)
			if i < 0 {
				return starts, append(ends, len(line))
			}
			ends = append(ends, at+i)
			at += i + len(sep)
		}
	}
	for at := 0; at < len(line); {
		end := at
		for end < len(line) && (line[end] == ' ' || line[end] == '\t') {
			end++
		}
		for end < len(line) && line[end] != ' ' && line[end] != '\t' {
			end++
		}
		starts, ends = append(starts, at), append(ends, end)
		at = end
	}
	return starts, ends
}

func compareKeys(a, b string, keys []sortKey, sep, global string) int {
	if len(keys) == 0 {
		return compareBy(a, b, global)
	}
	for _, k := range keys {
		flags := k.flags
		if flags == "" {
			flags = global
		}
		if n := compareBy(k.of(a, sep), k.of(b, sep), flags); n != 0 {
			return n
		}
	}
	return 0
}

func compareBy(a, b, flags string) int {
	n := 0
	if strings.Contains(flags, "b") {
		a, b = strings.TrimLeft(a, " \t"), strings.TrimLeft(b, " \t")
	}
	switch {
	case strings.ContainsAny(flags, "ng"):
		n = cmp.Compare(leadingNumber(a), leadingNumber(b))
	case strings.Contains(flags, "h"):
		n = cmp.Compare(humanNumber(a), humanNumber(b))
	case strings.Contains(flags, "V"):
		n = compareVersions(a, b)
	case strings.Contains(flags, "f"):
		n = strings.Compare(strings.ToUpper(a), strings.ToUpper(b))
	default:
		n = strings.Compare(a, b)
	}
	if strings.Contains(flags, "r") {
		n = -n
	}
	return n
}

func leadingNumber(s string) float64 {
	s = strings.TrimLeft(s, " \t")
	end := 0
	for end < len(s) && (s[end] >= '0' && s[end] <= '9' || s[end] == '.' || end == 0 && s[end] == '-') {
		end++
	}
	n, _ := strconv.ParseFloat(s[:end], 64)
	return n
}

func humanNumber(s string) float64 {
	n := leadingNumber(s)
	s = strings.TrimLeft(s, " \t-0123456789.")
	if s != "" {
		if i := strings.IndexByte("KMGTPE", s[0]&^0x20); i >= 0 {
			for range i + 1 {
				n *= 1024
			}
		}
	}
	return n
}

func compareVersions(a, b string) int {
	for a != "" && b != "" {
		da, db := digits(a), digits(b)
		if da > 0 && db > 0 {
			x, y := strings.TrimLeft(a[:da], "0"), strings.TrimLeft(b[:db], "0")
			if n := cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y)); n != 0 {
				return n
			}
			a, b = a[da:], b[db:]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}

func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

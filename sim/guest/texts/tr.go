package texts

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"labsim/sim/guest/applet"
)

// tr is `tr [-cds] SET1 [SET2]`, on bytes.
func tr(c *applet.Call) int {
	f, ok := c.Parse("+cCdst", "complement=c", "delete=d", "squeeze-repeats=s")
	if !ok {
		return 1
	}
	if len(c.Args) == 0 || len(c.Args) == 1 && !f.Has('d', 's') {
		return c.Usage("[-cds] SET1 [SET2]")
	}
	from, err := trSet(c.Args[0])
	if err != nil {
		return c.Fail("%v", err)
	}
	if f.Has('c', 'C') {
		from = complement(from)
	}
	var to []byte
	if len(c.Args) > 1 {
		if to, err = trSet(c.Args[1]); err != nil {
			return c.Fail("%v", err)
		}
	}
	var table [256]byte
	var remove, squeeze [256]bool
	for i := range table {
		table[i] = byte(i)
	}
	switch {
	case f.Has('d'):
		for _, b := range from {
			remove[b] = true
		}
	case len(to) > 0:
		for i, b := range from {
			table[b] = to[min(i, len(to)-1)]
		}
	}
	if f.Has('s') {
		set := from
		if len(to) > 0 {
			set = to
		}
		for _, b := range set {
			squeeze[b] = true
		}
	}
	in, w := bufio.NewReader(c.In), c.Buffer()
	defer w.Flush()
	last := -1
	for {
		b, err := in.ReadByte()
		if err == io.EOF {
			return 0
		}
		if err != nil {
			return c.Fail("%v", err)
		}
		if remove[b] {
			continue
		}
		b = table[b]
		if squeeze[b] && last == int(b) {
			continue
		}
		last = int(b)
		w.WriteByte(b)
		if in.Buffered() == 0 {
			w.Flush()
		}
	}
}

var trClasses = map[string]func(b byte) bool{
	"alpha": func(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' },
	"digit": func(b byte) bool { return b >= '0' && b <= '9' },
	"alnum": func(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' || b >= '0' && b <= '9' },
	"upper": func(b byte) bool { return b >= 'A' && b <= 'Z' },
	"lower": func(b byte) bool { return b >= 'a' && b <= 'z' },
	"space": func(b byte) bool { return strings.IndexByte(" \t\n\r\v\f", b) >= 0 },
	"blank": func(b byte) bool { return b == ' ' || b == '\t' },
	"punct": func(b byte) bool {
		return b > 32 && b < 127 && !(b|0x20 >= 'a' && b|0x20 <= 'z' || b >= '0' && b <= '9')
	},
	"print":  func(b byte) bool { return b >= 32 && b < 127 },
	"graph":  func(b byte) bool { return b > 32 && b < 127 },
	"cntrl":  func(b byte) bool { return b < 32 || b == 127 },
	"xdigit": func(b byte) bool { return b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'f' },
}

func trSet(s string) ([]byte, error) {
	var out []byte
	for i := 0; i < len(s); i++ {
		if strings.HasPrefix(s[i:], "[:") {
			if end := strings.Index(s[i:], ":]"); end > 0 {
				class := trClasses[s[i+2:i+end]]
				if class == nil {
					return nil, fmt.Errorf("invalid character class '%s'", s[i+2:i+end])
				}
				for b := range 256 {
					if class(byte(b)) {
						out = append(out, byte(b))
					}
				}
				i += end + 1
				continue
			}
		}
		b, n := trByte(s[i:])
		i += n - 1
		if i+2 < len(s) && s[i+1] == '-' {
			last, n := trByte(s[i+2:])
			i += 1 + n
			if last < b {
				return nil, fmt.Errorf("reversed range '%c-%c'", b, last)
			}
			for x := int(b); x <= int(last); x++ {
				out = append(out, byte(x))
			}
			continue
		}
		out = append(out, b)
	}
	return out, nil
}

func trByte(s string) (byte, int) {
	if s[0] != '\\' || len(s) == 1 {
		return s[0], 1
	}
	if b, n := octal(s[1:], 3); n > 0 {
		return b, n + 1
	}
	if i := strings.IndexByte("abfnrtv", s[1]); i >= 0 {
		return "\a\b\f\n\r\t\v"[i], 2
	}
	return s[1], 2
}

func octal(s string, most int) (byte, int) {
	v, n := 0, 0
	for n < len(s) && n < most && s[n] >= '0' && s[n] <= '7' {
		v = v*8 + int(s[n]-'0')
		n++
	}
	return byte(v), n
}

func complement(set []byte) []byte {
	var have [256]bool
	for _, b := range set {
		have[b] = true
	}
	var out []byte
	for b := range 256 {
		if !have[b] {
			out = append(out, byte(b))
		}
	}
	return out
}

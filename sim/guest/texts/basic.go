package texts

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"strings"

	"labsim/sim/guest/applet"
)

func yesNo(c *applet.Call) int {
	if c.Name == "false" {
		return 1
	}
	return 0
}

func yes(c *applet.Call) int {
	text := "y"
	if len(c.Args) > 0 {
		text = strings.Join(c.Args, " ")
	}
	w := c.Buffer()
	for {
		if _, err := fmt.Fprintln(w, text); err != nil {
			return 1
		}
	}
}

func cat(c *applet.Call) int {
	f, ok := c.Parse("nbsAevtETu", "number=n", "show-all=A")
	if !ok {
		return 1
	}
	if len(f) == 0 || len(f) == 1 && f.Has('u') {
		return c.EachFile(c.Args, func(_ string, r io.Reader) error {
			_, err := io.Copy(c.Out, r)
			return err
		})
	}
	w := c.Buffer()
	defer w.Flush()
	n, blank := 0, false
	return c.EachFile(c.Args, func(_ string, r io.Reader) error {
		return eachLine(r, func(line []byte, end bool) bool {
			if f.Has('s') && len(line) == 0 && blank {
				return true
			}
			blank = len(line) == 0
			if f.Has('n') || f.Has('b') && !blank {
				n++
				fmt.Fprintf(w, "%6d\t", n)
			}
			if f.Has('A', 't', 'T') {
				line = bytes.ReplaceAll(line, []byte("\t"), []byte("^I"))
			}
			if f.Has('A', 'v', 'e') {
				line = bytes.ReplaceAll(line, []byte("\r"), []byte("^M"))
			}
			w.Write(line)
			if f.Has('A', 'e', 'E') {
				w.WriteByte('$')
			}
			if end {
				w.WriteByte('\n')
			}
			return true
		})
	})
}

// eachLine calls f for each line, without its newline; end says that there was
// one. f returns whether to go on.
func eachLine(r io.Reader, f func(line []byte, end bool) bool) error {
	b := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := b.ReadBytes('\n')
		if len(line) > 0 {
			text, end := bytes.CutSuffix(line, []byte("\n"))
			if !f(text, end) {
				return nil
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func readLines(c *applet.Call, names []string) (lines []string, status int) {
	status = c.EachFile(names, func(_ string, r io.Reader) error {
		return eachLine(r, func(l []byte, _ bool) bool {
			lines = append(lines, string(l))
			return true
		})
	})
	return lines, status
}

func tac(c *applet.Call) int {
	lines, status := readLines(c, c.Args)
	w := c.Buffer()
	defer w.Flush()
	for i := len(lines) - 1; i >= 0; i-- {
		fmt.Fprintln(w, lines[i])
	}
	return status
}

func rev(c *applet.Call) int {
	lines, status := readLines(c, c.Args)
	for _, l := range lines {
		r := []rune(l)
		for i, j := 0, len(r)-1; i < j; i, j = i+1, j-1 {
			r[i], r[j] = r[j], r[i]
		}
		fmt.Fprintln(c.Out, string(r))
	}
	return status
}

func nl(c *applet.Call) int {
	if _, ok := c.Parse("b:w:s:"); !ok {
		return 1
	}
	lines, status := readLines(c, c.Args)
	n := 0
	for _, l := range lines {
		if l == "" {
			fmt.Fprintln(c.Out)
			continue
		}
		n++
		fmt.Fprintf(c.Out, "%6d\t%s\n", n, l)
	}
	return status
}

func wc(c *applet.Call) int {
	f, ok := c.Parse("lwcmL", "lines=l", "words=w", "bytes=c", "chars=m", "max-line-length=L")
	if !ok {
		return 1
	}
	type count struct{ lines, words, bytes, chars, widest int }
	show := func(n count, name string) {
		var parts []string
		add := func(v int, letter byte) {
			if f.Has(letter) || len(f) == 0 && letter != 'm' && letter != 'L' {
				parts = append(parts, fmt.Sprint(v))
			}
		}
		add(n.lines, 'l')
		add(n.words, 'w')
		add(n.bytes, 'c')
		add(n.chars, 'm')
		add(n.widest, 'L')
		if len(parts) > 1 {
			for i, p := range parts {
				parts[i] = fmt.Sprintf("%7s", p)
			}
		}
		if name != "-" {
			parts = append(parts, name)
		}
		fmt.Fprintln(c.Out, strings.Join(parts, " "))
	}
	var total count
	status := c.EachFile(c.Args, func(name string, r io.Reader) error {
		var n count
		err := eachLine(r, func(l []byte, end bool) bool {
			n.words += len(bytes.Fields(l))
			n.bytes += len(l)
			chars := len([]rune(string(l)))
			n.chars += chars
			n.widest = max(n.widest, chars)
			if end {
				n.lines++
				n.bytes++
				n.chars++
			}
			return true
		})
		show(n, name)
		total = count{total.lines + n.lines, total.words + n.words, total.bytes + n.bytes, total.chars + n.chars, max(total.widest, n.widest)}
		return err
	})
	if len(c.Args) > 1 {
		show(total, "total")
	}
	return status
}

func tee(c *applet.Call) int {
	f, ok := c.Parse("ai", "append=a", "ignore-interrupts=i")
	if !ok {
		return 1
	}
	outs := []io.Writer{c.Out}
	status := 0
	for _, name := range c.Args {
		flag := os.O_CREATE | os.O_WRONLY | os.O_TRUNC
		if f.Has('a') {
			flag = os.O_CREATE | os.O_WRONLY | os.O_APPEND
		}
		file, err := os.OpenFile(name, flag, 0o666)
		if err != nil {
			status = c.FailOn(name, err)
			continue
		}
		defer file.Close()
		outs = append(outs, file)
	}
	if _, err := io.Copy(io.MultiWriter(outs...), c.In); err != nil {
		return c.Fail("%v", applet.Cause(err))
	}
	return status
}

func base64Command(c *applet.Call) int {
	f, ok := c.Parse("dw:i", "decode=d", "wrap=w", "ignore-garbage=i")
	if !ok {
		return 1
	}
	wrap, ok := c.Int(f, 'w', 76)
	if !ok {
		return 1
	}
	return c.EachFile(c.Args, func(_ string, r io.Reader) error {
		data, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if f.Has('d') {
			text, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(data)), ""))
			c.Out.Write(text)
			return err
		}
		text := base64.StdEncoding.EncodeToString(data)
		for wrap > 0 && len(text) > wrap {
			fmt.Fprintln(c.Out, text[:wrap])
			text = text[wrap:]
		}
		fmt.Fprint(c.Out, text)
		if wrap > 0 {
			fmt.Fprintln(c.Out)
		}
		return nil
	})
}

var hashes = map[string]func() hash.Hash{"md5sum": md5.New, "sha1sum": sha1.New, "sha256sum": sha256.New, "sha512sum": sha512.New}

func checksum(c *applet.Call) int {
	f, ok := c.Parse("cbtsw", "check=c", "binary=b", "status=s", "quiet=s")
	if !ok {
		return 1
	}
	sum := func(r io.Reader) (string, error) {
		h := hashes[c.Name]()
		_, err := io.Copy(h, r)
		return hex.EncodeToString(h.Sum(nil)), err
	}
	if !f.Has('c') {
		return c.EachFile(c.Args, func(name string, r io.Reader) error {
			s, err := sum(r)
			if err == nil {
				fmt.Fprintf(c.Out, "%s  %s\n", s, name)
			}
			return err
		})
	}
	lines, status := readLines(c, c.Args)
	for _, l := range lines {
		want, name, ok := strings.Cut(l, " ")
		if !ok {
			continue
		}
		name = strings.TrimLeft(name, " *")
		got := ""
		if file, err := os.Open(name); err == nil {
			got, _ = sum(file)
			file.Close()
		}
		verdict := "OK"
		if got != want {
			verdict, status = "FAILED", 1
		}
		if !f.Has('s') {
			fmt.Fprintf(c.Out, "%s: %s\n", name, verdict)
		}
	}
	return status
}

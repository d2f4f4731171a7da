package texts

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"labsim/sim/guest/applet"
)

// sedAddress selects a line: a number, $, a pattern, or +N behind another.
type sedAddress struct {
	line int // 0: not a number
	step int
	last bool
	plus bool
	re   *regexp.Regexp
}

type sedCommand struct {
	from, to *sedAddress
	not      bool
	active   bool // inside a range
	until    int
	name     byte
	text     string // a i c: text; b t: label; r w: file; y: pairs
	re       *regexp.Regexp
	with     string
	global   bool
	print    bool
	nth      int
	jump     int // { and b, t: index of the target
	pairs    *strings.Replacer
}

type sedScript struct {
	commands []sedCommand
	labels   map[string]int
	extended bool
	src      string
}

// sed has the commands of POSIX: s p d q = a i c y n N g G h H x b t : { } D P r w, and -i, -n, -E, -s.
func sed(c *applet.Call) int {
	// The value of -i is optional and stands in the same word.
	suffix := ""
	for i, a := range c.Args {
		if len(a) > 2 && a[:2] == "-i" {
			suffix = a[2:]
			c.Args = append([]string{}, c.Args...)
			c.Args[i] = "-i"
			break
		}
	}
	f, ok := c.Parse("nrEsif:e:uz", "quiet=n", "silent=n", "regexp-extended=E", "expression=e", "file=f", "separate=s", "in-place=i")
	if !ok {
		return 1
	}
	if f.Has('i') {
		f['i'] = []string{suffix}
	}
	return runSed(c, f)
}

func runSed(c *applet.Call, f applet.Flags) int {
	var sources []string
	sources = append(sources, f['e']...)
	for _, name := range f['f'] {
		data, err := os.ReadFile(name)
		if err != nil {
			return c.FailOn(name, err)
		}
		sources = append(sources, strings.TrimSuffix(string(data), "\n"))
	}
	if !f.Has('e', 'f') {
		if len(c.Args) == 0 {
			return c.Usage("[-nE] [-i[SUFFIX]] SCRIPT [FILE...]")
		}
		sources, c.Args = c.Args[:1], c.Args[1:]
	}
	script, err := parseSed(strings.Join(sources, "\n"), f.Has('E', 'r'))
	if err != nil {
		return c.Fail("%v", err)
	}
	if f.Has('i') {
		return sedInPlace(c, script, f)
	}
	w := c.Buffer()
	defer w.Flush()
	var readers []io.Reader
	status := 0
	for _, name := range c.Args {
		r, err := c.Open(name)
		if err != nil {
			status = c.FailOn(name, err)
			continue
		}
		defer r.Close()
		readers = append(readers, r, &newlineBetween{})
	}
	var in io.Reader = c.In
	if len(c.Args) > 0 {
		in = &joined{list: readers}
	}
	code, err := script.run(in, w, f.Has('n'))
	if err != nil {
		return c.Fail("%v", err)
	}
	return max(status, code)
}

// joined reads files one after the other and ends each with a newline.
type joined struct {
	list []io.Reader
	last byte
}

type newlineBetween struct{}

func (*newlineBetween) Read([]byte) (int, error) { return 0, io.EOF }

func (j *joined) Read(p []byte) (int, error) {
	for len(j.list) > 0 {
		if _, gap := j.list[0].(*newlineBetween); gap {
			j.list = j.list[1:]
			if len(j.list) > 0 && j.last != '\n' && j.last != 0 {
				p[0] = '\n'
				j.last = '\n'
				return 1, nil
			}
			continue
		}
		n, err := j.list[0].Read(p)
		if n > 0 {
			j.last = p[n-1]
			return n, nil
		}
		if err != io.EOF && err != nil {
			return 0, err
		}
		j.list = j.list[1:]
	}
	return 0, io.EOF
}

func sedInPlace(c *applet.Call, script *sedScript, f applet.Flags) int {
	status := 0
	for _, name := range c.Args {
		info, err := os.Stat(name)
		var data []byte
		if err == nil {
			data, err = os.ReadFile(name)
		}
		if err != nil {
			status = c.FailOn(name, err)
			continue
		}
		if suffix := f.Get('i', ""); suffix != "" {
			os.WriteFile(name+suffix, data, info.Mode().Perm())
		}
		var out strings.Builder
		w := bufio.NewWriter(&out)
		for i := range script.commands {
			script.commands[i].active = false
		}
		if _, err := script.run(strings.NewReader(string(data)), w, f.Has('n')); err != nil {
			return c.Fail("%v", err)
		}
		w.Flush()
		if err := os.WriteFile(name, []byte(out.String()), info.Mode().Perm()); err != nil {
			status = c.FailOn(name, err)
		}
	}
	return status
}

func parseSed(src string, extended bool) (*sedScript, error) {
	s := &sedScript{labels: map[string]int{}, extended: extended, src: src}
	var blocks []int
	for {
		s.src = strings.TrimLeft(s.src, " \t\n;")
		if s.src == "" {
			break
		}
		if s.src[0] == '#' {
			_, s.src, _ = strings.Cut(s.src, "\n")
			continue
		}
		cmd, err := s.command()
		if err != nil {
			return nil, err
		}
		switch cmd.name {
		case ':':
			s.labels[cmd.text] = len(s.commands)
			continue
		case '{':
			blocks = append(blocks, len(s.commands))
		case '}':
			if len(blocks) == 0 {
				return nil, errors.New("unexpected }")
			}
			s.commands[blocks[len(blocks)-1]].jump = len(s.commands)
			blocks = blocks[:len(blocks)-1]
			continue
		}
		s.commands = append(s.commands, cmd)
	}
	if len(blocks) > 0 {
		return nil, errors.New("unmatched {")
	}
	for i := range s.commands {
		cmd := &s.commands[i]
		if cmd.name != 'b' && cmd.name != 't' {
			continue
		}
		cmd.jump = len(s.commands)
		if cmd.text != "" {
			at, ok := s.labels[cmd.text]
			if !ok {
				return nil, fmt.Errorf("can't find label '%s'", cmd.text)
			}
			cmd.jump = at
		}
	}
	return s, nil
}

func (s *sedScript) command() (cmd sedCommand, err error) {
	if cmd.from, err = s.address(); err != nil {
		return cmd, err
	}
	if cmd.from != nil && strings.HasPrefix(s.src, ",") {
		s.src = strings.TrimLeft(s.src[1:], " ")
		if cmd.to, err = s.address(); err != nil {
			return cmd, err
		}
		if cmd.to == nil {
			return cmd, errors.New("unexpected ,")
		}
	}
	s.src = strings.TrimLeft(s.src, " \t")
	for strings.HasPrefix(s.src, "!") {
		cmd.not = true
		s.src = strings.TrimLeft(s.src[1:], " \t")
	}
	if s.src == "" {
		return cmd, errors.New("missing command")
	}
	cmd.name, s.src = s.src[0], s.src[1:]
	switch cmd.name {
	case '{', '}', 'p', 'P', 'd', 'D', '=', 'n', 'N', 'g', 'G', 'h', 'H', 'x', 'l':
	case 'q', 'Q':
		n := digits(strings.TrimLeft(s.src, " "))
		s.src = strings.TrimLeft(s.src, " ")
		cmd.nth, _ = strconv.Atoi(s.src[:n])
		s.src = s.src[n:]
	case 'a', 'i', 'c':
		cmd.text = s.inserted()
	case ':', 'b', 't', 'r', 'w':
		end := strings.IndexByte(s.src, '\n')
		if i := strings.IndexAny(s.src, ";}"); i >= 0 && (end < 0 || i < end) && (cmd.name == 'b' || cmd.name == 't') {
			end = i
		}
		if end < 0 {
			end = len(s.src)
		}
		cmd.text, s.src = strings.TrimSpace(s.src[:end]), s.src[end:]
		if i := strings.IndexByte(cmd.text, ';'); cmd.name == ':' && i >= 0 {
			cmd.text, s.src = cmd.text[:i], cmd.text[i:]+s.src
		}
	case 's':
		err = s.substitute(&cmd)
	case 'y':
		err = s.transliterate(&cmd)
	default:
		err = fmt.Errorf("unknown command: '%c'", cmd.name)
	}
	return cmd, err
}

// inserted is the text behind a, i or c: after a backslash and newline, or on
// the same line.
func (s *sedScript) inserted() string {
	text := strings.TrimLeft(s.src, " \t")
	if rest, ok := strings.CutPrefix(text, "\\"); ok {
		rest, nl := strings.CutPrefix(strings.TrimLeft(rest, " \t"), "\n")
		_ = nl
		text = rest
	}
	var b strings.Builder
	i := 0
	for ; i < len(text) && text[i] != '\n'; i++ {
		if text[i] == '\\' && i+1 < len(text) {
			i++
		}
		b.WriteByte(text[i])
	}
	s.src = text[i:]
	return b.String()
}

func (s *sedScript) address() (*sedAddress, error) {
	if s.src == "" {
		return nil, nil
	}
	switch ch := s.src[0]; {
	case ch == '$':
		s.src = s.src[1:]
		return &sedAddress{last: true}, nil
	case ch == '+':
		n := digits(s.src[1:])
		v, _ := strconv.Atoi(s.src[1 : 1+n])
		s.src = s.src[1+n:]
		return &sedAddress{plus: true, line: v}, nil
	case ch >= '0' && ch <= '9':
		n := digits(s.src)
		a := &sedAddress{}
		a.line, _ = strconv.Atoi(s.src[:n])
		s.src = s.src[n:]
		if strings.HasPrefix(s.src, "~") {
			n := digits(s.src[1:])
			a.step, _ = strconv.Atoi(s.src[1 : 1+n])
			s.src = s.src[1+n:]
		}
		return a, nil
	case ch == '/' || ch == '\\':
		if ch == '\\' {
			s.src = s.src[1:]
		}
		text, err := s.delimited(s.src[0], true)
		if err != nil {
			return nil, err
		}
		fold := false
		if strings.HasPrefix(s.src, "I") {
			fold, s.src = true, s.src[1:]
		}
		re, err := compile(text, s.extended, fold)
		return &sedAddress{re: re}, err
	}
	return nil, nil
}

// delimited reads /.../ and leaves the source behind the closing delimiter's
// predecessor consumed: the closing one is eaten.
func (s *sedScript) delimited(d byte, regex bool) (string, error) {
	s.src = s.src[1:]
	return s.upTo(d, regex)
}

func (s *sedScript) upTo(d byte, regex bool) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s.src); i++ {
		ch := s.src[i]
		switch {
		case ch == d:
			s.src = s.src[i+1:]
			return b.String(), nil
		case ch == '\\' && i+1 < len(s.src):
			i++
			if s.src[i] != d {
				b.WriteByte('\\')
			}
			b.WriteByte(s.src[i])
		case ch == '[' && regex:
			end := bracketEnd(s.src, i)
			if end < 0 {
				b.WriteByte(ch)
				continue
			}
			b.WriteString(s.src[i : end+1])
			i = end
		default:
			b.WriteByte(ch)
		}
	}
	return "", fmt.Errorf("unterminated '%c'", d)
}

func (s *sedScript) substitute(cmd *sedCommand) error {
	if s.src == "" {
		return errors.New("unterminated 's'")
	}
	d := s.src[0]
	pattern, err := s.delimited(d, true)
	if err == nil {
		cmd.with, err = s.upTo(d, false)
	}
	if err != nil {
		return errors.New("unterminated 's' command")
	}
	fold := false
	for s.src != "" {
		ch := s.src[0]
		switch {
		case ch == 'g':
			cmd.global = true
		case ch == 'p':
			cmd.print = true
		case ch == 'i' || ch == 'I':
			fold = true
		case ch >= '0' && ch <= '9':
			n := digits(s.src)
			cmd.nth, _ = strconv.Atoi(s.src[:n])
			s.src = s.src[n:]
			continue
		case strings.IndexByte(" \t;\n}", ch) >= 0:
			cmd.re, err = compile(pattern, s.extended, fold)
			return err
		default:
			return fmt.Errorf("unknown option to s: '%c'", ch)
		}
		s.src = s.src[1:]
	}
	cmd.re, err = compile(pattern, s.extended, fold)
	return err
}

func (s *sedScript) transliterate(cmd *sedCommand) error {
	if s.src == "" {
		return errors.New("unterminated 'y'")
	}
	d := s.src[0]
	from, err := s.delimited(d, false)
	if err != nil {
		return err
	}
	to, err := s.upTo(d, false)
	if err != nil {
		return err
	}
	unescape := strings.NewReplacer(`\n`, "\n", `\\`, `\`, `\t`, "\t")
	a, b := []rune(unescape.Replace(from)), []rune(unescape.Replace(to))
	if len(a) != len(b) {
		return errors.New("strings for y have different lengths")
	}
	var pairs []string
	for i := range a {
		pairs = append(pairs, string(a[i]), string(b[i]))
	}
	cmd.pairs = strings.NewReplacer(pairs...)
	return nil
}

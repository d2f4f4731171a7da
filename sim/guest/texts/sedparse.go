package texts

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

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

package texts

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/expand"

	"labsim/sim/guest/applet"
)

func echo(c *applet.Call) int {
	newline, escapes := true, false
	for len(c.Args) > 0 && len(c.Args[0]) > 1 && c.Args[0][0] == '-' && strings.Trim(c.Args[0][1:], "neE") == "" {
		newline = newline && !strings.Contains(c.Args[0], "n")
		escapes = strings.Contains(c.Args[0], "e") || escapes && !strings.Contains(c.Args[0], "E")
		c.Args = c.Args[1:]
	}
	text := strings.Join(c.Args, " ")
	if escapes {
		text, _, _ = expand.Format(nil, strings.ReplaceAll(text, "%", "%%"), nil)
	}
	if newline {
		text += "\n"
	}
	io.WriteString(c.Out, text)
	return 0
}

func printf(c *applet.Call) int {
	if len(c.Args) > 0 && c.Args[0] == "--" {
		c.Args = c.Args[1:]
	}
	if len(c.Args) == 0 {
		return c.Usage("FORMAT [ARG...]")
	}
	format, args := c.Args[0], c.Args[1:]
	for {
		text, n, err := expand.Format(nil, format, args)
		if err != nil {
			return c.Fail("%v", err)
		}
		io.WriteString(c.Out, text)
		args = args[min(n, len(args)):]
		if n == 0 || len(args) == 0 {
			return 0
		}
	}
}

func seq(c *applet.Call) int {
	// Numbers may be negative: what is no flag ends the flags.
	args := c.Args
	sep, wide, format := "\n", false, ""
	for len(args) > 0 {
		switch {
		case args[0] == "-w":
			wide = true
		case args[0] == "-s" && len(args) > 1:
			sep, args = args[1], args[1:]
		case strings.HasPrefix(args[0], "-s") && len(args[0]) > 2:
			sep = args[0][2:]
		case args[0] == "-f" && len(args) > 1:
			format, args = args[1], args[1:]
		default:
			goto numbers
		}
		args = args[1:]
	}
numbers:
	first, step, places := 1.0, 1.0, 0
	var n []float64
	for _, a := range args {
		v, err := strconv.ParseFloat(a, 64)
		if err != nil {
			return c.Fail("invalid number '%s'", a)
		}
		if _, after, ok := strings.Cut(a, "."); ok {
			places = max(places, len(after))
		}
		n = append(n, v)
	}
	if len(n) == 0 || len(n) > 3 {
		return c.Usage("[-w] [-s SEP] [FIRST [STEP]] LAST")
	}
	last := n[len(n)-1]
	if len(n) > 1 {
		first = n[0]
	}
	if len(n) > 2 {
		step = n[1]
	}
	if step == 0 {
		return c.Fail("the step must not be 0")
	}
	show := func(v float64) string { return strconv.FormatFloat(v, 'f', places, 64) }
	width := 0
	if wide {
		width = max(len(show(first)), len(show(last)))
	}
	w := c.Buffer()
	defer w.Flush()
	for i := 0; ; i++ {
		v := first + float64(i)*step
		if step > 0 && v > last+1e-9 || step < 0 && v < last-1e-9 {
			if i > 0 {
				fmt.Fprintln(w)
			}
			return 0
		}
		if i > 0 {
			w.WriteString(sep)
		}
		text := show(v)
		if format != "" {
			text = fmt.Sprintf(format, v)
		}
		w.WriteString(strings.Repeat("0", max(0, width-len(text))) + text)
	}
}

// xargs is `xargs [-0rt] [-n N] [-I STR] [-d C] [-P N] [COMMAND [ARG...]]`.
func xargs(c *applet.Call) int {
	f, ok := c.Parse("+0rtn:I:d:P:L:i", "null=0", "no-run-if-empty=r", "max-args=n", "replace=I", "delimiter=d", "verbose=t", "max-procs=P")
	if !ok {
		return 1
	}
	n, ok := c.Int(f, 'n', 5000)
	if f.Has('L') {
		n, ok = c.Int(f, 'L', 1)
	}
	if !ok || n < 1 {
		return 1
	}
	data, err := io.ReadAll(c.In)
	if err != nil {
		return c.Fail("%v", err)
	}
	mark := f.Get('I', "")
	if f.Has('i') {
		mark = "{}"
	}
	var words []string
	switch {
	case f.Has('0'):
		words = splitEnd(string(data), "\x00")
	case f.Has('d'):
		words = splitEnd(string(data), strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\0`, "\x00").Replace(f.Get('d', "")))
	case mark != "":
		for _, l := range splitEnd(string(data), "\n") {
			words = append(words, strings.TrimLeft(l, " \t"))
		}
	default:
		if words, err = shellWords(string(data)); err != nil {
			return c.Fail("%v", err)
		}
	}
	command := c.Args
	if len(command) == 0 {
		command = []string{"echo"}
	}
	x := &xargsRun{call: c, verbose: f.Has('t')}
	if mark != "" {
		for _, w := range words {
			args := make([]string, len(command))
			for i, a := range command {
				args[i] = strings.ReplaceAll(a, mark, w)
			}
			x.run(args)
		}
		return x.status
	}
	if len(words) == 0 && !f.Has('r') {
		x.run(command)
	}
	for len(words) > 0 && !x.stop {
		k, size := 0, 0
		for k < len(words) && k < n && size < 100<<10 {
			size += len(words[k]) + 1
			k++
		}
		x.run(append(append([]string{}, command...), words[:k]...))
		words = words[k:]
	}
	return x.status
}

type xargsRun struct {
	call    *applet.Call
	verbose bool
	stop    bool
	status  int
}

func (x *xargsRun) run(args []string) {
	if x.verbose {
		fmt.Fprintln(x.call.Err, strings.Join(args, " "))
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = x.call.Out, x.call.Err
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() == 255:
		x.status, x.stop = 124, true
	case errors.As(err, &exit):
		x.status = 123
	case err != nil:
		x.call.Fail("%s: %v", args[0], err)
		x.status, x.stop = 127, true
	}
}

func splitEnd(s, sep string) []string {
	if s == "" || sep == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(s, sep), sep)
}

// shellWords splits at blanks, with quotes and backslashes.
func shellWords(s string) ([]string, error) {
	var words []string
	var b strings.Builder
	quote, in := byte(0), false
	for i := 0; i < len(s); i++ {
		ch := s[i]
		switch {
		case quote != 0:
			if ch == quote {
				quote = 0
			} else {
				b.WriteByte(ch)
			}
		case ch == '\'' || ch == '"':
			quote, in = ch, true
		case ch == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
			in = true
		case ch == ' ' || ch == '\t' || ch == '\n':
			if in {
				words = append(words, b.String())
				b.Reset()
				in = false
			}
		default:
			b.WriteByte(ch)
			in = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("unmatched %c", quote)
	}
	if in {
		words = append(words, b.String())
	}
	return words, nil
}

// expr is POSIX' expr.
func expr(c *applet.Call) int {
	e := &expression{args: c.Args}
	v, err := e.level(0)
	if err == nil && len(e.args) > 0 {
		err = errors.New("syntax error")
	}
	if err != nil {
		c.Fail("%v", err)
		return 2
	}
	fmt.Fprintln(c.Out, v)
	if v == "" || v == "0" {
		return 1
	}
	return 0
}

type expression struct{ args []string }

var exprLevels = [][]string{{"|"}, {"&"}, {"=", "==", "!=", "<", "<=", ">", ">="}, {"+", "-"}, {"*", "/", "%"}, {":"}}

func (e *expression) level(n int) (string, error) {
	if n == len(exprLevels) {
		return e.primary()
	}
	left, err := e.level(n + 1)
	for err == nil && len(e.args) > 0 {
		op, known := e.args[0], false
		for _, o := range exprLevels[n] {
			known = known || o == op
		}
		if !known {
			break
		}
		e.args = e.args[1:]
		var right string
		if right, err = e.level(n + 1); err == nil {
			left, err = exprApply(op, left, right)
		}
	}
	return left, err
}

func (e *expression) primary() (string, error) {
	if len(e.args) == 0 {
		return "", errors.New("syntax error")
	}
	a := e.args[0]
	e.args = e.args[1:]
	take := func() string {
		if len(e.args) == 0 {
			return ""
		}
		v := e.args[0]
		e.args = e.args[1:]
		return v
	}
	switch {
	case a == "(":
		v, err := e.level(0)
		if take() != ")" {
			err = errors.New("syntax error")
		}
		return v, err
	case a == "length" && len(e.args) > 0:
		return strconv.Itoa(len([]rune(take()))), nil
	case a == "match" && len(e.args) > 1:
		return exprApply(":", take(), take())
	case a == "substr" && len(e.args) > 2:
		s := []rune(take())
		at, _ := strconv.Atoi(take())
		n, _ := strconv.Atoi(take())
		if at < 1 || n < 1 || at > len(s) {
			return "", nil
		}
		return string(s[at-1 : min(len(s), at-1+n)]), nil
	case a == "index" && len(e.args) > 1:
		return strconv.Itoa(strings.IndexAny(take(), take()) + 1), nil
	}
	return a, nil
}

func exprApply(op, a, b string) (string, error) {
	truth := func(ok bool) (string, error) {
		if ok {
			return "1", nil
		}
		return "0", nil
	}
	x, okx := new(big.Int).SetString(a, 10)
	y, oky := new(big.Int).SetString(b, 10)
	numbers := okx && oky
	switch op {
	case "|":
		if a != "" && a != "0" {
			return a, nil
		}
		return b, nil
	case "&":
		if a != "" && a != "0" && b != "" && b != "0" {
			return a, nil
		}
		return "0", nil
	case ":":
		re, err := compile(b, false, false)
		if err != nil {
			return "", err
		}
		m := re.FindStringSubmatchIndex(a)
		switch {
		case m == nil || m[0] != 0:
			if re.NumSubexp() > 0 {
				return "", nil
			}
			return "0", nil
		case len(m) > 2:
			return a[m[2]:m[3]], nil
		}
		return strconv.Itoa(len([]rune(a[:m[1]]))), nil
	case "+", "-", "*", "/", "%":
		if !numbers {
			return "", errors.New("non-integer argument")
		}
		if (op == "/" || op == "%") && y.Sign() == 0 {
			return "", errors.New("division by zero")
		}
		switch op {
		case "+":
			x.Add(x, y)
		case "-":
			x.Sub(x, y)
		case "*":
			x.Mul(x, y)
		case "/":
			x.Quo(x, y)
		default:
			x.Rem(x, y)
		}
		return x.String(), nil
	}
	order := strings.Compare(a, b)
	if numbers {
		order = x.Cmp(y)
	}
	switch op {
	case "=", "==":
		return truth(order == 0)
	case "!=":
		return truth(order != 0)
	case "<":
		return truth(order < 0)
	case "<=":
		return truth(order <= 0)
	case ">":
		return truth(order > 0)
	}
	return truth(order >= 0)
}

func compareFiles(c *applet.Call) int {
	f, ok := c.Parse("sl", "quiet=s", "silent=s")
	if !ok || len(c.Args) != 2 {
		return c.Usage("[-s] FILE1 FILE2")
	}
	var data [2][]byte
	for i, n := range c.Args {
		var err error
		if data[i], err = readAll(c, n); err != nil {
			c.FailOn(n, err)
			return 2
		}
	}
	if bytes.Equal(data[0], data[1]) {
		return 0
	}
	n := 0
	for n < len(data[0]) && n < len(data[1]) && data[0][n] == data[1][n] {
		n++
	}
	if !f.Has('s') {
		if n == len(data[0]) || n == len(data[1]) {
			c.Fail("EOF on %s", c.Args[map[bool]int{true: 0, false: 1}[n == len(data[0])]])
		} else {
			fmt.Fprintf(c.Out, "%s %s differ: char %d, line %d\n", c.Args[0], c.Args[1], n+1, 1+bytes.Count(data[0][:n], []byte("\n")))
		}
	}
	return 1
}

func readAll(c *applet.Call, name string) ([]byte, error) {
	r, err := c.Open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func hexdump(c *applet.Call) int {
	f, ok := c.Parse("Cn:vp", "canonical=C")
	if !ok {
		return 1
	}
	limit, ok := c.Int(f, 'n', 1<<62)
	if !ok {
		return 1
	}
	w := c.Buffer()
	defer w.Flush()
	return c.EachFile(c.Args, func(_ string, r io.Reader) error {
		data, err := io.ReadAll(io.LimitReader(r, int64(limit)))
		if f.Has('p') {
			fmt.Fprintf(w, "%x\n", data)
			return err
		}
		for at := 0; at < len(data); at += 16 {
			part := data[at:min(at+16, len(data))]
			fmt.Fprintf(w, "%08x  ", at)
			for i := range 16 {
				if i < len(part) {
					fmt.Fprintf(w, "%02x ", part[i])
				} else {
					io.WriteString(w, "   ")
				}
				if i == 7 {
					io.WriteString(w, " ")
				}
			}
			text := bytes.Map(func(r rune) rune {
				if r < 32 || r > 126 {
					return '.'
				}
				return r
			}, []byte(string(asRunes(part))))
			fmt.Fprintf(w, " |%s|\n", text)
		}
		fmt.Fprintf(w, "%08x\n", len(data))
		return err
	})
}

func asRunes(b []byte) []rune {
	out := make([]rune, len(b))
	for i, x := range b {
		out[i] = rune(x)
	}
	return out
}

func stringsCommand(c *applet.Call) int {
	f, ok := c.Parse("an:")
	if !ok {
		return 1
	}
	least, ok := c.Int(f, 'n', 4)
	if !ok {
		return 1
	}
	return c.EachFile(c.Args, func(_ string, r io.Reader) error {
		data, err := io.ReadAll(r)
		for _, run := range bytes.FieldsFunc(data, func(r rune) bool { return r != '\t' && (r < 32 || r > 126) }) {
			if len(run) >= least {
				fmt.Fprintf(c.Out, "%s\n", run)
			}
		}
		return err
	})
}

// diff prints a unified difference of two files.
func diff(c *applet.Call) int {
	f, ok := c.Parse("uqbwNrU:i", "unified=u", "brief=q")
	if !ok || len(c.Args) != 2 {
		c.Usage("[-uq] FILE1 FILE2")
		return 2
	}
	var lines [2][]string
	for i, n := range c.Args {
		var status int
		if st, err := os.Stat(n); err == nil && st.IsDir() {
			c.Fail("%s: is a directory", n)
			return 2
		}
		if lines[i], status = readLines(c, []string{n}); status != 0 {
			return 2
		}
	}
	script := difference(lines[0], lines[1])
	changed := false
	for _, s := range script {
		changed = changed || s.op != ' '
	}
	if !changed {
		return 0
	}
	if f.Has('q') {
		fmt.Fprintf(c.Out, "Files %s and %s differ\n", c.Args[0], c.Args[1])
		return 1
	}
	fmt.Fprintf(c.Out, "--- %s\n+++ %s\n", c.Args[0], c.Args[1])
	printHunks(c.Out, script)
	return 1
}

type edit struct {
	op   byte // ' ', '-', '+'
	text string
}

// difference is the longest common subsequence's, after what begins and ends alike.
func difference(a, b []string) []edit {
	var head, tail []edit
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		head = append(head, edit{' ', a[0]})
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		tail = append([]edit{{' ', a[len(a)-1]}}, tail...)
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	length := make([][]int32, len(a)+1)
	for i := range length {
		length[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				length[i][j] = length[i+1][j+1] + 1
			} else {
				length[i][j] = max(length[i+1][j], length[i][j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			head = append(head, edit{' ', a[i]})
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && length[i+1][j] >= length[i][j+1]:
			head = append(head, edit{'-', a[i]})
			i++
		default:
			head = append(head, edit{'+', b[j]})
			j++
		}
	}
	return append(head, tail...)
}

func printHunks(w io.Writer, script []edit) {
	const around = 3
	oldLine, newLine := 1, 1
	for i := 0; i < len(script); {
		if script[i].op == ' ' {
			oldLine, newLine, i = oldLine+1, newLine+1, i+1
			continue
		}
		from := max(0, i-around)
		end, quiet := i, 0
		for end < len(script) && quiet <= 2*around {
			if script[end].op == ' ' {
				quiet++
			} else {
				quiet = 0
			}
			end++
		}
		end -= max(0, quiet-around)
		hunk := script[from:end]
		var del, add int
		for _, e := range hunk {
			if e.op != '+' {
				del++
			}
			if e.op != '-' {
				add++
			}
		}
		fmt.Fprintf(w, "@@ -%d,%d +%d,%d @@\n", oldLine-(i-from), del, newLine-(i-from), add)
		for _, e := range hunk {
			fmt.Fprintf(w, "%c%s\n", e.op, e.text)
		}
		for ; i < end; i++ {
			if script[i].op != '+' {
				oldLine++
			}
			if script[i].op != '-' {
				newLine++
			}
		}
	}
}

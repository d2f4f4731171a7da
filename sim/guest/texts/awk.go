package texts

import (
	"os"
	"strings"

	"github.com/benhoyt/goawk/interp"
	"github.com/benhoyt/goawk/parser"

	"labsim/sim/guest/applet"
)

// awk is `awk [-F SEP] [-v NAME=VALUE] PROGRAM|-f FILE [FILE...]`.
func awk(c *applet.Call) int {
	f, ok := c.Parse("+F:v:f:", "field-separator=F", "assign=v", "file=f")
	if !ok {
		return 2
	}
	program := ""
	for _, name := range f['f'] {
		data, err := readAll(c, name)
		if err != nil {
			c.FailOn(name, err)
			return 2
		}
		program += string(data) + "\n"
	}
	if !f.Has('f') {
		if len(c.Args) == 0 {
			return c.Usage("[-F SEP] [-v NAME=VALUE] PROGRAM [FILE...]")
		}
		program, c.Args = c.Args[0], c.Args[1:]
	}
	var vars []string
	if f.Has('F') {
		vars = append(vars, "FS", strings.ReplaceAll(f.Get('F', ""), `\t`, "\t"))
	}
	for _, v := range f['v'] {
		name, value, ok := strings.Cut(v, "=")
		if !ok {
			c.Fail("-v %s: NAME=VALUE is wanted", v)
			return 2
		}
		vars = append(vars, name, value)
	}
	p, err := parser.ParseProgram([]byte(program), nil)
	if err != nil {
		c.Fail("%v", err)
		return 2
	}
	cfg := &interp.Config{Stdin: c.In, Error: c.Err, Argv0: "awk", Args: c.Args, Vars: vars, ShellCommand: []string{"/bin/sh", "-c"}}
	if out, isFile := c.Out.(*os.File); !isFile || out != os.Stdout {
		cfg.Output = c.Out
	}
	status, err := interp.ExecProgram(p, cfg)
	if err != nil {
		c.Fail("%v", err)
		return 2
	}
	return status
}

package shell

import (
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
	"mvdan.cc/sh/v3/interp"
)

func (s *shell) umask(hc interp.HandlerContext, args []string) int {
	if len(args) == 0 {
		old := unix.Umask(0)
		unix.Umask(old)
		fmt.Fprintf(hc.Stdout, "%04o\n", old)
		return 0
	}
	mask, err := strconv.ParseUint(args[0], 8, 9)
	if err != nil {
		fmt.Fprintf(hc.Stderr, "%s: umask: %s: an octal number is wanted\n", s.name, args[0])
		return 1
	}
	unix.Umask(int(mask))
	return 0
}

// limits are the letters of ulimit, with the unit of their numbers.
var limits = []struct {
	letter   byte
	resource int
	unit     uint64
	text     string
}{
	{'c', unix.RLIMIT_CORE, 512, "core file size (blocks)"},
	{'d', unix.RLIMIT_DATA, 1024, "data seg size (kb)"},
	{'f', unix.RLIMIT_FSIZE, 512, "file size (blocks)"},
	{'l', unix.RLIMIT_MEMLOCK, 1024, "locked memory (kb)"},
	{'n', unix.RLIMIT_NOFILE, 1, "open files"},
	{'s', unix.RLIMIT_STACK, 1024, "stack size (kb)"},
	{'t', unix.RLIMIT_CPU, 1, "cpu time (seconds)"},
	{'u', unix.RLIMIT_NPROC, 1, "processes"},
	{'v', unix.RLIMIT_AS, 1024, "address space (kb)"},
}

func (s *shell) ulimit(hc interp.HandlerContext, args []string) int {
	letter, hard, soft := byte('f'), false, false
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
		for _, l := range []byte(args[0][1:]) {
			switch l {
			case 'H':
				hard = true
			case 'S':
				soft = true
			default:
				letter = l
			}
		}
		args = args[1:]
	}
	for _, l := range limits {
		if letter == 'a' {
			fmt.Fprintf(hc.Stdout, "%-28s -%c  %s\n", l.text, l.letter, limitText(l.resource, l.unit, hard))
			continue
		}
		if l.letter != letter {
			continue
		}
		if len(args) == 0 {
			fmt.Fprintln(hc.Stdout, limitText(l.resource, l.unit, hard))
			return 0
		}
		if err := setLimit(l.resource, l.unit, args[0], hard, soft); err != nil {
			fmt.Fprintf(hc.Stderr, "%s: ulimit: %v\n", s.name, err)
			return 1
		}
		return 0
	}
	if letter == 'a' {
		return 0
	}
	fmt.Fprintf(hc.Stderr, "%s: ulimit: -%c: unknown limit\n", s.name, letter)
	return 2
}

func limitText(resource int, unit uint64, hard bool) string {
	var r unix.Rlimit
	unix.Prlimit(0, resource, nil, &r)
	v := r.Cur
	if hard {
		v = r.Max
	}
	if v == unix.RLIM_INFINITY {
		return "unlimited"
	}
	return strconv.FormatUint(v/unit, 10)
}

func setLimit(resource int, unit uint64, value string, hard, soft bool) error {
	var r unix.Rlimit
	if err := unix.Prlimit(0, resource, nil, &r); err != nil {
		return err
	}
	v := uint64(unix.RLIM_INFINITY)
	if value != "unlimited" {
		n, err := strconv.ParseUint(value, 10, 53)
		if err != nil {
			return fmt.Errorf("%s: a number or unlimited is wanted", value)
		}
		v = n * unit
	}
	if soft || !hard {
		r.Cur = v
	}
	if hard || !soft {
		r.Max = v
	}
	return unix.Setrlimit(resource, &r)
}

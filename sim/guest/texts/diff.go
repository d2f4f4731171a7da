package texts

import (
	"fmt"
	"io"
	"os"

	"labsim/sim/guest/applet"
)

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

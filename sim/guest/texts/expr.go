package texts

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"labsim/sim/guest/applet"
)

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

package texts

import (
	"fmt"
	"regexp"
	"strings"
)

// compile translates a POSIX regular expression to Go's. Go's engine has no
// back references inside a pattern: they are refused.
func compile(pattern string, extended, fold bool) (*regexp.Regexp, error) {
	translated, err := translate(pattern, extended)
	if err != nil {
		return nil, err
	}
	if fold {
		translated = "(?i)" + translated
	}
	re, err := regexp.Compile(translated)
	if err != nil {
		return nil, fmt.Errorf("bad regex '%s'", pattern)
	}
	return re, nil
}

func translate(p string, extended bool) (string, error) {
	var b strings.Builder
	start := true // where * is an ordinary character, and ^ an anchor, in a basic expression
	for i := 0; i < len(p); i++ {
		ch := p[i]
		atStart := start
		start = false
		switch {
		case ch == '[':
			end := bracketEnd(p, i)
			if end < 0 {
				return "", fmt.Errorf("unmatched [ in '%s'", p)
			}
			b.WriteString(bracket(p[i+1 : end]))
			i = end
		case ch == '\\' && i+1 < len(p):
			i++
			ch = p[i]
			switch {
			case ch >= '1' && ch <= '9':
				return "", fmt.Errorf("back reference \\%c in '%s' is not supported", ch, p)
			case strings.IndexByte("wWsSbB", ch) >= 0:
				b.WriteString(`\` + string(ch))
			case ch == '<' || ch == '>':
				b.WriteString(`\b`)
			case ch == 'n':
				b.WriteString(`\n`)
			case ch == 't':
				b.WriteString(`\t`)
			case !extended && strings.IndexByte("(){}+?|", ch) >= 0:
				b.WriteByte(ch)
				start = ch == '(' || ch == '|'
			default:
				b.WriteString(quoteByte(ch))
			}
		case !extended && strings.IndexByte("(){}+?|", ch) >= 0:
			b.WriteString(`\` + string(ch))
		case !extended && ch == '*' && atStart:
			b.WriteString(`\*`)
		case !extended && ch == '^' && !atStart:
			b.WriteString(`\^`)
		case !extended && ch == '$' && i+1 < len(p) && !strings.HasPrefix(p[i+1:], `\)`) && !strings.HasPrefix(p[i+1:], `\|`):
			b.WriteString(`\$`)
		case ch == '^':
			b.WriteByte(ch)
			start = true
		case extended && ch == '{' && (i+1 == len(p) || p[i+1] < '0' || p[i+1] > '9'):
			b.WriteString(`\{`)
		default:
			b.WriteByte(ch)
			start = ch == '(' || ch == '|'
		}
	}
	return b.String(), nil
}

func quoteByte(ch byte) string {
	if strings.IndexByte(`\.+*?()|[]{}^$`, ch) >= 0 {
		return `\` + string(ch)
	}
	return string(ch)
}

// bracketEnd is the index of the ] that ends the expression at p[i] == '['.
func bracketEnd(p string, i int) int {
	j := i + 1
	if j < len(p) && p[j] == '^' {
		j++
	}
	if j < len(p) && p[j] == ']' {
		j++
	}
	for ; j < len(p); j++ {
		if p[j] == ']' {
			return j
		}
		if p[j] == '[' && j+1 < len(p) && strings.IndexByte(":.=", p[j+1]) >= 0 {
			end := strings.Index(p[j+2:], string(p[j+1])+"]")
			if end < 0 {
				return -1
			}
			j += end + 3
		}
	}
	return -1
}

// bracket: a backslash is an ordinary character there, by POSIX.
func bracket(s string) string {
	var b strings.Builder
	b.WriteByte('[')
	if strings.HasPrefix(s, "^") {
		b.WriteByte('^')
		s = s[1:]
	}
	for i := 0; i < len(s); i++ {
		if s[i] == '[' && i+1 < len(s) && s[i+1] == ':' {
			if end := strings.Index(s[i:], ":]"); end > 0 {
				b.WriteString(s[i : i+end+2])
				i += end + 1
				continue
			}
		}
		switch {
		case s[i] == '\\' && i+1 < len(s) && strings.IndexByte("nt", s[i+1]) >= 0:
			b.WriteByte('\\') // GNU's \n and \t
		case strings.IndexByte(`\[]&~`, s[i]) >= 0:
			b.WriteString(`\` + string(s[i]))
		default:
			b.WriteByte(s[i])
		}
	}
	b.WriteByte(']')
	return b.String()
}

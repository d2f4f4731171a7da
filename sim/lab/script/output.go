package script

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"

	"github.com/jmespath/go-jmespath"

	"labsim/sim"
)

// What a --query may have: [@,@] doubles what it is given. So does to_string([@]),
// which escapes what was escaped before, and join takes its separator as often as
// there are elements.
const (
	maxQuery  = 512
	maxCommas = 10
)

var growing = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\b(to_string|join)\s*\(`) })

func checkQuery(q string) error {
	if len(q) > maxQuery || strings.Count(q, ",") > maxCommas {
		return wrong(sim.T("a --query has at most %d bytes and %d commas", maxQuery, maxCommas))
	}
	if growing().MatchString(q) {
		return wrong(sim.T("a --query has neither to_string nor join"))
	}
	if _, err := jmespath.Compile(q); err != nil {
		return &sim.Failure{What: sim.T("--query %s is no JMESPath", q).Brief(), Err: err}
	}
	return nil
}

// print writes the result as the AWS CLI does.
func (c *call) print(w io.Writer) error {
	if c.out == nil {
		return nil
	}
	data, err := json.Marshal(c.out)
	if err != nil {
		return err
	}
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		return err
	}
	v = present(v)
	if c.query != "" {
		if v, err = jmespath.Search(c.query, v); err != nil {
			return fmt.Errorf("--query %s: %w", c.query, err)
		}
	}
	if c.output == "text" {
		_, err = io.WriteString(w, text(v))
		return err
	}
	if v == nil {
		return nil
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "    ")
	return enc.Encode(v)
}

// present leaves out what is not set: an answer of EC2's lacks it.
func present(v any) any {
	switch x := v.(type) {
	case map[string]any:
		for k, e := range x {
			if e == nil {
				delete(x, k)
			} else {
				x[k] = present(e)
			}
		}
	case []any:
		for i := range x {
			x[i] = present(x[i])
		}
	}
	return v
}

// text writes values as `--output text` does: of a list one line, its elements
// separated by tabs; of a list of lists a line each (AWS CLI User Guide, "Setting
// the output format").
func text(v any) string {
	list, ok := v.([]any)
	if !ok {
		return word(v) + "\n"
	}
	var words []string
	var lines strings.Builder
	for _, x := range list {
		if _, ok := x.([]any); ok {
			lines.WriteString(text(x))
		} else {
			words = append(words, word(x))
		}
	}
	if len(words) == 0 && lines.Len() > 0 {
		return lines.String()
	}
	return strings.Join(words, "\t") + "\n" + lines.String()
}

func word(v any) string {
	switch x := v.(type) {
	case nil:
		return "None"
	case string:
		return x
	case bool:
		return map[bool]string{true: "True", false: "False"}[x]
	}
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(data)
}

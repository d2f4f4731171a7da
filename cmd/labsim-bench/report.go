package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// report is what a run found.
type report struct {
	Benchmark string
	Machine   machine
	Rounds    int
	Lines     []line
	// Notes say what was compared with what.
	Notes []string
	// Error is why the run ended early; what was measured before is there.
	Error string `json:",omitempty"`
}

// line is one thing measured.
type line struct {
	Name string
	Unit string
	// Ours, and Theirs where there is something to compare with.
	Ours   summary
	Theirs *summary `json:",omitempty"`
	Ratio  *ratio   `json:",omitempty"`
	Aim    *aim     `json:",omitempty"`
	Met    *bool    `json:",omitempty"`
}

// aim bounds a line's ratio where it has one, its value otherwise.
type aim struct {
	AtMost  float64 `json:",omitempty"`
	AtLeast float64 `json:",omitempty"`
}

func atMost(v float64) *aim  { return &aim{AtMost: v} }
func atLeast(v float64) *aim { return &aim{AtLeast: v} }

func (a aim) met(v float64) bool {
	return (a.AtMost == 0 || v <= a.AtMost) && (a.AtLeast == 0 || v >= a.AtLeast)
}

func (a aim) String() string {
	if a.AtLeast != 0 {
		return "≥ " + short(a.AtLeast)
	}
	return "≤ " + short(a.AtMost)
}

// compare adds a line for what was measured in pairs.
func (r *report) compare(name, unit string, ours, theirs series, a *aim) {
	s := theirs.summary()
	l := line{Name: name, Unit: unit, Ours: ours.summary(), Theirs: &s, Aim: a}
	if l.measured() {
		q := ratioOf(ours, theirs)
		l.Ratio = &q
	}
	r.add(l)
}

// value adds a line for what has nothing to be compared with.
func (r *report) value(name, unit string, ours series, a *aim) {
	r.add(line{Name: name, Unit: unit, Ours: ours.summary(), Aim: a})
}

func (r *report) add(l line) {
	if l.Aim != nil {
		v := l.Ours.Median
		if l.Ratio != nil {
			v = l.Ratio.Median
		}
		met := l.measured() && l.Aim.met(v)
		l.Met = &met
	}
	r.Lines = append(r.Lines, l)
}

// measured: without both sides there is nothing to hold an aim against.
func (l line) measured() bool { return l.Ours.N > 0 && (l.Theirs == nil || l.Theirs.N > 0) }

func (r *report) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

func (r *report) missed() bool {
	for _, l := range r.Lines {
		if l.Met != nil && !*l.Met {
			return true
		}
	}
	return false
}

func (r *report) write(w io.Writer, asJSON bool) error {
	if !asJSON {
		return r.print(w)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(r)
}

// print writes the report as a table for people.
func (r *report) print(w io.Writer) error {
	fmt.Fprintf(w, "labsim-bench %s, %d pairs, medians (range)\n%s\n\n", r.Benchmark, r.Rounds, r.Machine)
	if len(r.Lines) == 0 {
		_, err := fmt.Fprintln(w, "nothing was measured")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\tlabsim\tthe other\tratio\taim\t")
	for _, l := range r.Lines {
		fmt.Fprintln(t, strings.Join(l.cells(), "\t")+"\t")
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(r.Notes) > 0 {
		fmt.Fprintln(w)
	}
	for _, n := range r.Notes {
		if _, err := fmt.Fprintln(w, "-", n); err != nil {
			return err
		}
	}
	return nil
}

func (l line) cells() []string {
	out := []string{l.Name, l.Ours.text(l.Unit), "", "", "", ""}
	if l.Theirs != nil {
		out[2] = l.Theirs.text(l.Unit)
	}
	if l.Ratio != nil {
		out[3] = fmt.Sprintf("%.2f (%.2f-%.2f)", l.Ratio.Median, l.Ratio.Min, l.Ratio.Max)
	}
	if l.Aim == nil {
		return out
	}
	out[4], out[5] = l.Aim.String(), "met"
	switch {
	case !l.measured():
		out[5] = "not measured"
	case !*l.Met:
		out[5] = "MISSED"
	}
	return out
}

func (s summary) text(unit string) string {
	switch {
	case s.N == 0:
		return "not measured"
	case s.N == 1:
		return short(s.Median) + " " + unit
	}
	return fmt.Sprintf("%s %s (%s-%s)", short(s.Median), unit, short(s.Min), short(s.Max))
}

// short prints three digits that count.
func short(v float64) string {
	s := strconv.FormatFloat(v, 'g', 3, 64)
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return s
}

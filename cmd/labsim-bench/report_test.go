package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		in   series
		want float64
	}{
		{nil, 0},
		{series{3}, 3},
		{series{9, 1, 2}, 2},
		{series{4, 1, 2, 9}, 3},
	} {
		before := append(series{}, c.in...)
		if got := c.in.median(); got != c.want {
			t.Errorf("median of %v: %v, want %v", c.in, got, c.want)
		}
		if d := cmp.Diff(before, append(series{}, c.in...)); d != "" {
			t.Errorf("the median changed the order, which pairs need:\n%s", d)
		}
	}
}

func TestRatio(t *testing.T) {
	for _, c := range []struct {
		name         string
		ours, theirs series
		want         ratio
	}{
		{"pairs in the order taken", series{2, 6, 4}, series{1, 2, 4}, ratio{Median: 2, Min: 1, Max: 3}},
		{"a round that only one side finished", series{2, 6, 100}, series{1, 2}, ratio{Median: 4, Min: 2, Max: 3}},
		{"nothing to compare with", series{1}, nil, ratio{}},
		{"nothing measured", series{1}, series{0}, ratio{}},
	} {
		if d := cmp.Diff(c.want, ratioOf(c.ours, c.theirs)); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}

func TestInTurn(t *testing.T) {
	var got strings.Builder
	side := func(name string) func(int) error {
		return func(int) error { got.WriteString(name); return nil }
	}
	if err := inTurn(3, side("a"), side("b"), side("c")); err != nil || got.String() != "abcbcacab" {
		t.Errorf("%q, %v, want each side first once", got.String(), err)
	}
}

func TestAims(t *testing.T) {
	r := &report{}
	r.compare("ratio", "ms", series{115}, series{100}, atMost(1.15))
	r.compare("too slow", "ms", series{116}, series{100}, atMost(1.15))
	r.compare("throughput", "Gbit/s", series{9.4}, series{10}, atLeast(0.95))
	r.value("memory", "MiB", series{30}, atMost(30))
	r.value("never measured", "MiB", nil, atMost(30))
	r.value("no aim", "MiB", series{30}, nil)
	var got []string
	for _, l := range r.Lines {
		s := "none"
		if l.Met != nil {
			s = map[bool]string{true: "met", false: "missed"}[*l.Met]
		}
		got = append(got, l.Name+": "+s)
	}
	want := []string{"ratio: met", "too slow: missed", "throughput: missed", "memory: met", "never measured: missed", "no aim: none"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if !r.missed() {
		t.Error("the report forgets what was missed")
	}
}

// After an error the report says what was measured before it, and takes nothing
// for met that was not measured.
func TestReportAfterAnError(t *testing.T) {
	r := &report{Benchmark: "launch", Rounds: 2, Error: "round 1: no banner"}
	r.compare("one side only", "ms", series{325}, nil, atMost(1.15))
	r.compare("the other side only", "ms", nil, series{263}, atLeast(0.95))
	r.value("nothing", "MiB", nil, atMost(4))
	if !r.missed() {
		t.Error("what was not measured is met")
	}
	var table, text strings.Builder
	if err := errors.Join(r.write(&table, false), r.write(&text, true)); err != nil {
		t.Fatal(err)
	}
	var got []string
	for l := range strings.Lines(table.String()) {
		if f := strings.Fields(l); len(f) > 0 {
			got = append(got, strings.Join(f, " "))
		}
	}
	want := []string{
		"labsim the other ratio aim",
		"one side only 325 ms not measured ≤ 1.15 not measured",
		"the other side only not measured 263 ms ≥ 0.95 not measured",
		"nothing not measured ≤ 4 not measured",
	}
	if d := cmp.Diff(want, got[2:]); d != "" {
		t.Errorf("table (-want +got):\n%s", d)
	}
	var back report
	if err := json.Unmarshal([]byte(text.String()), &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(r, &back); d != "" {
		t.Errorf("JSON (-want +got):\n%s", d)
	}
	for _, l := range back.Lines {
		if l.Ratio != nil || l.Met == nil || *l.Met {
			t.Errorf("%s: ratio %v, met %v", l.Name, l.Ratio, l.Met)
		}
	}
	var none strings.Builder
	if err := (&report{}).write(&none, false); err != nil || !strings.HasSuffix(none.String(), "\nnothing was measured\n") {
		t.Errorf("an empty report: %q, %v", none.String(), err)
	}
}

func TestPrint(t *testing.T) {
	r := &report{Benchmark: "launch", Rounds: 2, Machine: machine{CPUs: 2, CPU: "x", MemoryGiB: 24, OperatingSystem: "Linux", Kernel: "6", Engine: "20.10", Storage: "overlay2", CgroupVersion: "1", LoadBefore: "0.1"}}
	r.compare("launch one", "ms", series{460, 480}, series{436, 440}, atMost(1.15))
	r.value("edge", "MiB", series{4.5}, atMost(4))
	r.note("what was compared")
	var got strings.Builder
	if err := r.print(&got); err != nil {
		t.Fatal(err)
	}
	want := `labsim-bench launch, 2 pairs, medians (range)
2 CPUs (x), 24 GiB, Linux, kernel 6, Docker 20.10 on overlay2, cgroup v1, load before 0.1

            labsim            the other         ratio             aim
launch one  470 ms (460-480)  438 ms (436-440)  1.07 (1.06-1.09)  ≤ 1.15  met
edge        4.5 MiB                                               ≤ 4     MISSED

- what was compared
`
	var lines []string
	for l := range strings.Lines(got.String()) {
		lines = append(lines, strings.TrimRight(l, " \n"))
	}
	if d := cmp.Diff(strings.Split(strings.TrimSuffix(want, "\n"), "\n"), lines); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestMemory(t *testing.T) {
	const rollup = `00400000-7fff Rollup [rollup]
Rss:                9216 kB
Pss:                2048 kB
Pss_Anon:           1024 kB
`
	got, err := parseMemory([]byte(rollup))
	if err != nil || got != (memory{rss: 9, pss: 2}) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := parseMemory([]byte("Rss: 1 kB\n")); err == nil {
		t.Error("half a file was taken for memory")
	}
}

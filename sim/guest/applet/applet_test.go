package applet

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, spec string
		args       []string
		flags      Flags
		rest       []string
		err        string
	}{
		{name: "clusters and values", spec: "abn:", args: []string{"-ab", "-n5", "x", "-n", "6"}, flags: Flags{'a': {""}, 'b': {""}, 'n': {"5", "6"}}, rest: []string{"x"}},
		{name: "value in a cluster", spec: "an:", args: []string{"-an", "5"}, flags: Flags{'a': {""}, 'n': {"5"}}},
		{name: "long ones", spec: "ln:", args: []string{"--lines=3", "--list", "--lines", "4"}, flags: Flags{'n': {"3", "4"}, 'l': {""}}},
		{name: "end of options", spec: "a", args: []string{"--", "-a"}, flags: Flags{}, rest: []string{"-a"}},
		{name: "a lone dash is an operand", spec: "a", args: []string{"-", "-a"}, flags: Flags{'a': {""}}, rest: []string{"-"}},
		{name: "strict", spec: "+a", args: []string{"cmd", "-a"}, flags: Flags{}, rest: []string{"cmd", "-a"}},
		{name: "unknown", spec: "a", args: []string{"-b"}, err: "t: invalid option -- 'b'\n"},
		{name: "unknown long", spec: "a", args: []string{"--all"}, err: "t: unrecognized option '--all'\n"},
		{name: "no value", spec: "n:", args: []string{"-n"}, err: "t: option requires an argument -- 'n'\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var errs bytes.Buffer
			call := &Call{Name: "t", Args: c.args, Err: &errs}
			f, ok := call.Parse(c.spec, "lines=n", "list=l")
			if errs.String() != c.err || ok != (c.err == "") {
				t.Fatalf("said %q, want %q", errs.String(), c.err)
			}
			if !ok {
				return
			}
			if diff := cmp.Diff(c.flags, f); diff != "" {
				t.Errorf("flags (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.rest, call.Args); diff != "" {
				t.Errorf("operands (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 1023: "1023", 1024: "1.0K", 1536: "1.5K", 10 << 20: "10M", 1 << 40: "1.0T"} {
		if got := Size(n); got != want {
			t.Errorf("Size(%d) = %s, want %s", n, got, want)
		}
	}
}

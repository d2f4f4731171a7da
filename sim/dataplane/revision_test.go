package dataplane_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"labsim/sim/dataplane"
)

// frozen are the sums of testdata/revision/N.txt, the fields that came with
// revision N. Agents of that revision are in use: its file does not change any more.
var frozen = map[int]string{
	1: "e4ba6261cbafbcfb",
}

// What control hands to agents is what it is said to be: every field stands in the
// list of the revision that it came with.
func TestRevision(t *testing.T) {
	if first, n := firstList(), len(frozen); n != dataplane.Revision-first+1 {
		t.Fatalf("revisions %d to %d, and %d lists of fields are frozen", first, dataplane.Revision, n)
	}
	listed := map[string]int{}
	for n, sum := range frozen {
		text := string(must(os.ReadFile(fmt.Sprintf("testdata/revision/%d.txt", n))))
		if got := sha256.Sum256([]byte(text)); hex.EncodeToString(got[:8]) != sum {
			t.Errorf("testdata/revision/%d.txt has the sum %x, not %q: a list does not change once there are agents of its revision; a new field belongs to the next one", n, got[:8], sum)
		}
		for line := range strings.Lines(text) {
			listed[strings.TrimSpace(line)] = n
		}
	}
	there := map[string]reflect.StructField{}
	fieldsOf(reflect.TypeFor[dataplane.Config](), there)
	fieldsOf(reflect.TypeFor[dataplane.Probe](), there)
	for _, line := range slices.Sorted(maps.Keys(there)) {
		n, ok := listed[line]
		if !ok {
			t.Errorf("no list of a revision has the field\n\t%s\n%s", line, advice(line))
		} else if why := untrue(there[line], n); why != "" {
			t.Errorf("%s is listed as of revision %d, %s", line, n, why)
		}
	}
	for _, line := range slices.Sorted(maps.Keys(listed)) {
		if _, ok := there[line]; !ok {
			t.Errorf("revision %d has the field %q, and it is there no more: agents of that revision go by it. Put it back and say what is new by a new field, or raise dataplane.Revision and dataplane.Oldest to %d and list all fields in testdata/revision/%[3]d.txt alone", listed[line], line, dataplane.Revision+1)
		}
	}
}

// firstList is the revision whose list has all fields that came before as well.
func firstList() int { return max(1, dataplane.Oldest) }

func advice(line string) string {
	next := dataplane.Revision + 1
	return fmt.Sprintf(`Agents in use do not know it. Raise dataplane.Revision to %d, give the field the tag since:"%[1]d" and omitempty or omitzero, put %[2]q into testdata/revision/%[1]d.txt and that file's sum into frozen`, next, line)
}

// untrue says what is wrong with a field that is listed as of revision n, or "".
func untrue(f reflect.StructField, n int) string {
	since := f.Tag.Get("since")
	_, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	switch {
	case n == firstList() && since != "":
		return "which all agents know: it has no since"
	case n == firstList():
		return ""
	case since != strconv.Itoa(n):
		return fmt.Sprintf("so its tag is since:%q", strconv.Itoa(n))
	case options != "omitempty" && options != "omitzero":
		return "so it is left out where it is zero: an older agent refuses it also then"
	}
	return ""
}

// fieldsOf adds the fields of a struct and of all that are in it, a line each.
func fieldsOf(t reflect.Type, to map[string]reflect.StructField) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		fieldsOf(t.Elem(), to)
	case reflect.Map:
		fieldsOf(t.Key(), to)
		fieldsOf(t.Elem(), to)
	case reflect.Struct:
		if !strings.HasPrefix(t.PkgPath(), "labsim/") { // netip, time: of text
			return
		}
		for f := range t.Fields() {
			tag := ""
			if json := f.Tag.Get("json"); json != "" {
				tag = " json:" + json
			}
			line := fmt.Sprintf("%s.%s %s%s", t, f.Name, f.Type, tag)
			if _, seen := to[line]; !seen {
				to[line] = f
				fieldsOf(f.Type, to)
			}
		}
	}
}

// A config needs no newer agent than for what it says.
func TestNeeds(t *testing.T) {
	type inner struct {
		Old int
		New []string `json:",omitempty" since:"3"`
	}
	type outer struct {
		Name    string
		At      time.Time
		Addr    netip.Addr
		List    []inner
		Map     map[string]inner
		Pointer *inner
		Flag    bool `json:",omitempty" since:"2"`
	}
	some := inner{New: []string{"x"}}
	for _, c := range []struct {
		name string
		v    outer
		want int
	}{
		{"nothing", outer{}, 0},
		{"what was always there", outer{Name: "x", At: time.Now(), Addr: netip.IPv6Loopback(), List: []inner{{Old: 1}}, Pointer: &inner{}}, 0},
		{"a flag", outer{Flag: true}, 2},
		{"in a list", outer{Flag: true, List: []inner{{}, some}}, 3},
		{"in a map", outer{Map: map[string]inner{"x": some}}, 3},
		{"behind a pointer", outer{Pointer: &some}, 3},
	} {
		if got := dataplane.Needs(&c.v); got != c.want {
			t.Errorf("%s: needs revision %d, want %d", c.name, got, c.want)
		}
	}
}

func TestDecode(t *testing.T) {
	var c dataplane.Config
	good := string(must(json.Marshal(dataplane.Config{Site: "s", VPCs: []dataplane.VPC{{ID: "vpc-1"}}})))
	if err := dataplane.Decode(strings.NewReader(good), &c); err != nil || c.VPCs[0].ID != "vpc-1" {
		t.Errorf("%v, %+v", err, c)
	}
	for _, text := range []string{`{"ACLs":[]}`, `{"VPCs":[{"ACLs":null}]}`, `{"VPCs":[{"ENIs":[{"ID":"eni-1","ACL":""}]}]}`} {
		if err := dataplane.Decode(strings.NewReader(text), &c); err == nil || !strings.Contains(err.Error(), `unknown field "ACL`) {
			t.Errorf("%s: %v, want a refusal that names the field", text, err)
		}
	}
}

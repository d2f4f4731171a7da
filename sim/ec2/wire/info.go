package wire

import (
	"reflect"
	"strings"
	"sync"
	"time"
)

// info is what the codec knows of a struct: its fields, and how they are found
// by their name in a query and in XML.
type info struct {
	fields  []field
	byQuery map[string]int
	byXML   map[string]int
}

type field struct {
	query    string // name in a query
	xml      string // name of the element
	item     string // name of a list's elements
	required bool   // in a request
}

var (
	infos    sync.Map // reflect.Type -> *info
	timeType = reflect.TypeFor[time.Time]()
)

func infoOf(t reflect.Type) *info {
	if i, ok := infos.Load(t); ok {
		return i.(*info)
	}
	i := &info{byQuery: map[string]int{}, byXML: map[string]int{}}
	for n := range t.NumField() {
		parts := strings.Split(t.Field(n).Tag.Get("ec2")+",,,", ",")
		f := field{query: parts[0], xml: parts[1], item: parts[2], required: parts[3] == "required"}
		i.fields = append(i.fields, f)
		i.byQuery[f.query] = n
		i.byXML[f.xml] = n
	}
	infos.Store(t, i)
	return i
}

// isStruct reports whether t is a shape with members.
func isStruct(t reflect.Type) bool { return t.Kind() == reflect.Struct && t != timeType }

// isBlob reports whether t is binary data.
func isBlob(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8
}

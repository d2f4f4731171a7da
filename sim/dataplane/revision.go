package dataplane

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strconv"
)

// Revision is that of what control hands to an agent: Config and Probe, with all
// types that are in them. An agent reads its own and all before it, and says which
// that is when it connects.
//
// It is raised with each new field. The field carries the tag `since:"N"` and is
// left out of JSON where it is zero (omitempty, omitzero); zero means as before the
// field was there. So an older agent is given what it can read, and no more. What
// an old field can't say to an old agent, such as a new kind of route, is said by a
// new one.
//
// Agents of revision 0 know all fields without a tag and drop what they don't know;
// those of 1 and later refuse it.
const Revision = 1

// Oldest is the revision of the oldest agents that can read a Config at all. It
// becomes Revision where a field is removed or given another type or meaning; the
// tags of what was there before go then.
const Oldest = 0

// Needs returns the least revision of an agent that can read v.
func Needs(v any) int { return max(Oldest, needs(reflect.ValueOf(v))) }

func needs(v reflect.Value) int {
	most := 0
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			most = needs(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			most = max(most, needs(v.Index(i)))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			most = max(most, needs(v.MapIndex(key)))
		}
	case reflect.Struct:
		for f, x := range v.Fields() {
			if since, _ := strconv.Atoi(f.Tag.Get("since")); f.IsExported() && !x.IsZero() {
				most = max(most, since, needs(x))
			}
		}
	}
	return most
}

// Decode reads a Config or a Probe from JSON. What has a field that is not known
// here is refused: to drop it would open what the field closes.
func Decode(r io.Reader, v any) error {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("an agent that reads revision %d was given what it can't read: %w", Revision, err)
	}
	return nil
}

package sim

import "strings"

// Tags are a resource's tags, sorted by key.
type Tags []Tag

// Tag is a key with its value.
type Tag struct{ Key, Value string }

// Limits of tags (EC2 User Guide, "Tag restrictions").
const (
	MaxTags        = 50
	MaxTagKeyLen   = 128 // Unicode characters
	MaxTagValueLen = 256
)

// Tags that labsim itself reads. Lab facts travel through EC2 as tags.
const (
	TagName  = "Name"
	TagLab   = "labsim:lab"   // the lab that made the resource
	TagMount = "labsim:mount" // on a volume: where the guest finds its file system
	// TagHostname on an instance is what its guest calls itself, in place of EC2's
	// name for its private address.
	TagHostname = "labsim:hostname"
	// TagInternet on an internet gateway says which internet is behind it: with
	// InternetReal the machine's own, else the site's public range alone.
	TagInternet  = "labsim:internet"
	InternetReal = "real"
)

// Get returns the value of key, and whether there is one.
func (t Tags) Get(key string) (string, bool) {
	for _, x := range t {
		if x.Key == key {
			return x.Value, true
		}
	}
	return "", false
}

// Value returns the value of key, or "".
func (t Tags) Value(key string) string {
	v, _ := t.Get(key)
	return v
}

// With returns a copy in which key has that value.
func (t Tags) With(key, value string) Tags {
	out := make(Tags, 0, len(t)+1)
	placed := false
	for _, x := range t {
		switch c := strings.Compare(x.Key, key); {
		case c == 0:
			continue
		case c > 0 && !placed:
			out, placed = append(out, Tag{key, value}), true
		}
		out = append(out, x)
	}
	if !placed {
		out = append(out, Tag{key, value})
	}
	return out
}

// Without returns a copy that lacks key.
func (t Tags) Without(key string) Tags {
	out := make(Tags, 0, len(t))
	for _, x := range t {
		if x.Key != key {
			out = append(out, x)
		}
	}
	return out
}

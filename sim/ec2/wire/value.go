package wire

// Value returns what p points to, or the zero value where nothing is set.
func Value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// TagValue returns the value of the tag with that key, or "".
func TagValue(tags []Tag, key string) string {
	for _, t := range tags {
		if Value(t.Key) == key {
			return Value(t.Value)
		}
	}
	return ""
}

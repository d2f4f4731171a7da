package ec2

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"labsim/sim"
)

// The functions below make filters' values out of what rows hold; a zero value
// is none.

func str[T ~string](s T) []string {
	if s == "" {
		return nil
	}
	return []string{string(s)}
}

func address(a netip.Addr) []string {
	if !a.IsValid() {
		return nil
	}
	return []string{a.String()}
}

func yesNo(b bool) []string          { return []string{strconv.FormatBool(b)} }
func number(n int) []string          { return []string{strconv.Itoa(n)} }
func never[R any](*call, R) []string { return nil }

func moment(t time.Time) []string {
	if t.IsZero() {
		return nil
	}
	return []string{t.UTC().Format("2006-01-02T15:04:05.000Z")}
}

// optionalTime returns nil for the zero time.
func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// arn names a resource as IAM and the newer operations do.
func (c *call) arn(owner sim.AccountID, kind, id string) string {
	return "arn:aws:ec2:" + string(c.opts.Region) + ":" + string(owner) + ":" + kind + "/" + id
}

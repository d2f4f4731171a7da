package main

import (
	"fmt"
	"slices"
	"time"
)

// series are measurements of one thing, in the order in which they were taken,
// in the line's unit.
type series []float64

func (s series) median() float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	m := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[m]
	}
	return (sorted[m-1] + sorted[m]) / 2
}

// summary is a series as the report shows it.
type summary struct {
	Median, Min, Max float64
	N                int
}

func (s series) summary() summary {
	if len(s) == 0 {
		return summary{}
	}
	return summary{Median: s.median(), Min: slices.Min(s), Max: slices.Max(s), N: len(s)}
}

// ratio compares two series that were taken in pairs: the ratio of the medians,
// and the range of the pairs' ratios.
type ratio struct{ Median, Min, Max float64 }

func ratioOf(ours, theirs series) ratio {
	var pairs series
	for i := range min(len(ours), len(theirs)) {
		if theirs[i] != 0 {
			pairs = append(pairs, ours[i]/theirs[i])
		}
	}
	if len(pairs) == 0 || theirs.median() == 0 {
		return ratio{}
	}
	return ratio{Median: ours.median() / theirs.median(), Min: slices.Min(pairs), Max: slices.Max(pairs)}
}

// inTurn runs the sides n times; who is first changes from round to round.
func inTurn(n int, sides ...func(round int) error) error {
	for round := range n {
		for i := range sides {
			if err := sides[(round+i)%len(sides)](round); err != nil {
				return fmt.Errorf("round %d: %w", round+1, err)
			}
		}
	}
	return nil
}

// ms is a duration in the report's milliseconds.
func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

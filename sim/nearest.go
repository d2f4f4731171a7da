package sim

// longestSlip bounds what may be a slip of the hand, in bytes: nothing that has a
// name has a longer one, and who sends more wants to see how long it takes.
const longestSlip = 256

// Nearest returns the candidate that looks most like name, if one is near
// enough to be a slip of the hand: a third of its letters at most are wrong. Of two
// that are as near, the one of the same length is meant: letters are swapped more
// often than dropped.
func Nearest(name string, candidates []string) (string, bool) {
	if len(name) > longestSlip {
		return "", false
	}
	best, least := "", len(name)/3+2
	for _, c := range candidates {
		if len(c) > longestSlip {
			continue
		}
		d := distance(name, c)
		if d < least || d == least && len(c) == len(name) && len(best) != len(name) && best != "" {
			best, least = c, d
		}
	}
	return best, best != ""
}

// distance is Levenshtein's.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := range x {
		diagonal := row[0]
		row[0] = i + 1
		for j := range y {
			cost := 1
			if x[i] == y[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(y)]
}

package text

import (
	"regexp"
	"strings"
	"sync"
	"unicode"
)

// A Korean particle has two forms, one after a consonant and one after a vowel.
// A text whose word before it is known only when it is said has both, as one
// writes them for an unknown word: 이(가). settle leaves the one that is right.

// forms are the written pairs, with what follows a consonant and a vowel.
var forms = map[string][2]string{
	"이(가)": {"이", "가"},
	"은(는)": {"은", "는"},
	"을(를)": {"을", "를"},
	"와(과)": {"과", "와"},
	"(으)":  {"으", ""},
	"(이)":  {"이", ""},
}

var pair = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`([A-Za-z]?[A-Za-z0-9.-]*|\p{Hangul})(["')]*)(이\(가\)|은\(는\)|을\(를\)|와\(과\)|\(으\)로?|\(이\))`)
})

// settle chooses the particles of a Korean text. Where it can't be known how a
// word is read, both forms stay.
func settle(s string) string {
	if !strings.Contains(s, "(") {
		return s
	}
	return pair().ReplaceAllStringFunc(s, func(m string) string {
		part := pair().FindStringSubmatch(m)
		word, closing, particle := part[1], part[2], part[3]
		written, suffix := particle, ""
		if strings.HasPrefix(particle, "(으)") {
			written, suffix = "(으)", strings.TrimPrefix(particle, "(으)")
		}
		final, known := ending(word)
		if !known {
			return m
		}
		consonant := final != 0
		if suffix == "로" && final == rieul {
			consonant = false // ㄹ takes 로
		}
		form := forms[written][1]
		if consonant {
			form = forms[written][0]
		}
		return word + closing + form + suffix
	})
}

// rieul is the index of the final ㄹ in a syllable (The Unicode Standard, 3.12,
// "Conjoining Jamo Behavior"); 0 is none.
const rieul = 8

// ending returns the final consonant of the last syllable of a word as it is
// read: digits in Sino-Korean, the letters of an id or an abbreviation by their
// names. An English word could be read in many ways.
func ending(word string) (final int, known bool) {
	if word == "" {
		return 0, false
	}
	runes := []rune(word)
	last := runes[len(runes)-1]
	const firstSyllable, lastSyllable, finals = '가', '힣', 28
	switch {
	case last >= firstSyllable && last <= lastSyllable:
		return int(last-firstSyllable) % finals, true
	case last >= '0' && last <= '9':
		// 영 일 이 삼 사 오 육 칠 팔 구
		return [...]int{21, rieul, 0, 16, 0, 0, 1, rieul, rieul, 0}[last-'0'], true
	case !unicode.IsLetter(last), strings.ToUpper(word) != word && !strings.ContainsAny(word, "0123456789"):
		return 0, false
	}
	switch unicode.ToUpper(last) {
	case 'L', 'R': // 엘, 알
		return rieul, true
	case 'M', 'N': // 엠, 엔
		return 16, true
	}
	return 0, true
}

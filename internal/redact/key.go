package redact

import (
	"math"
	"regexp"
	"slices"
	"strings"
)

// keyShapes are secrets that say what they are.
var keyShapes = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|$)` +
	`|\b(?:sk|pk|rk)[-_][A-Za-z0-9_-]{16,}` +
	`|\b(?:gh[oprsu]|github_pat|glpat|hf|npm)[-_][A-Za-z0-9_-]{20,}` +
	`|\bxox[abeprs]-[A-Za-z0-9-]{10,}` +
	`|\bA(?:KIA|SIA)[A-Z0-9]{16}\b` +
	`|\bAIza[A-Za-z0-9_-]{30,}` +
	`|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*`)

// keyNames stand before the "-" or "_" of a key that begins with the name of who gave it.
var keyNames = []string{"sk", "pk", "rk", "gho", "ghp", "ghr", "ghs", "ghu", "github_pat", "glpat", "hf", "npm"}

// keyMarks stand in every other key of keyShapes.
var keyMarks = []string{"-----BEGIN ", "xox", "AKIA", "ASIA", "AIza", "eyJ"}

// shaped reports whether keyShapes may match anything: it costs a hundredth of trying, and most texts hold no key.
func shaped(text string) bool {
	for _, mark := range keyMarks {
		if strings.Contains(text, mark) {
			return true
		}
	}
	for i := range len(text) {
		if text[i] != '-' && text[i] != '_' {
			continue
		}
		for _, name := range keyNames {
			if at := i - len(name); at >= 0 && text[at:i] == name && (at == 0 || !word(text[at-1])) {
				return true
			}
		}
	}
	return false
}

// findKeys finds secrets by shape, and words that look drawn at random: at least 32 hexadecimal digits, or at least 24
// characters of base64 with capitals, small letters and digits, of high entropy.
func findKeys(text string) [][2]int {
	var finds [][2]int
	if shaped(text) {
		finds = findPattern(keyShapes)(text)
	}
	ahead := finds // of the word that is looked at, or overlapping it
	for i := 0; i < len(text); {
		if !base64Byte(text[i]) {
			i++
			continue
		}
		start := i
		for i < len(text) && base64Byte(text[i]) {
			i++
		}
		end := i
		for i < len(text) && text[i] == '=' {
			i++
		}
		if !random(text[start:end]) {
			continue
		}
		for len(ahead) > 0 && ahead[0][1] <= start {
			ahead = ahead[1:]
		}
		if len(ahead) == 0 || ahead[0][0] >= i {
			finds = append(finds, [2]int{start, i})
		}
	}
	return sorted(finds)
}

// base64Byte leaves out the slash: in text it separates.
func base64Byte(c byte) bool {
	return digit(c) || upper(c) || lower(c) || c == '+' || c == '_' || c == '-'
}

func random(s string) bool {
	if len(s) < 24 {
		return false
	}
	var counts [256]int
	digits, uppers, lowers, hex := 0, 0, 0, true
	for i := range len(s) {
		c := s[i]
		counts[c]++
		switch {
		case digit(c):
			digits++
		case upper(c):
			uppers++
		case lower(c):
			lowers++
		}
		hex = hex && (digit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F')
	}
	entropy := 0.0 // bits a character
	for _, n := range counts {
		if n > 0 {
			p := float64(n) / float64(len(s))
			entropy -= p * math.Log2(p)
		}
	}
	if hex {
		return len(s) >= 32 && digits >= 4 && uppers+lowers >= 4 && entropy >= 3
	}
	return digits >= 3 && uppers >= 3 && lowers >= 3 && entropy >= 3.7
}

// sorted orders finds by where they begin.
func sorted(finds [][2]int) [][2]int {
	slices.SortFunc(finds, func(a, b [2]int) int { return a[0] - b[0] })
	return finds
}

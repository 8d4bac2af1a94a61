package redact

import (
	"regexp"
	"strings"
)

var email = regexp.MustCompile(`[\p{L}\p{N}._%+'-]*[\p{L}\p{N}_%+-]@[\p{L}\p{N}](?:[\p{L}\p{N}.-]*[\p{L}\p{N}])?\.\p{L}{2,}`)

func findEmails(text string) [][2]int {
	if !strings.Contains(text, "@") {
		return nil
	}
	return findPattern(email)(text)
}

func digit(c byte) bool { return '0' <= c && c <= '9' }
func upper(c byte) bool { return 'A' <= c && c <= 'Z' }
func lower(c byte) bool { return 'a' <= c && c <= 'z' }

// word reports whether a byte continues a word of ASCII. Other scripts write numbers without a space before them.
func word(c byte) bool { return digit(c) || upper(c) || lower(c) || c == '_' }

// bounded reports whether text[start:end] is not part of a longer word or number.
func bounded(text string, start, end int) bool {
	return (start == 0 || !word(text[start-1])) && (end == len(text) || !word(text[end]))
}

// findCards finds numbers of 13 to 19 digits, plain or in groups, that begin as payment cards do and pass the check of ISO/IEC
// 7812 (Luhn).
func findCards(text string) [][2]int {
	var finds [][2]int
	for i := 0; i < len(text); {
		if !digit(text[i]) {
			i++
			continue
		}
		end, digits := groups(text, i, "- ", 19)
		first := i
		for i < len(text) && digit(text[i]) { // the next try is at the next group
			i++
		}
		if n := len(digits); n < 13 || digits[0] < '2' || digits[0] > '6' || !luhn(digits) || !bounded(text, first, end) {
			continue
		}
		finds = append(finds, [2]int{first, end})
		i = end
	}
	return finds
}

// groups reads digits from start on, with single separators between them, up to the group that would exceed limit digits.
func groups(text string, start int, separators string, limit int) (end int, digits string) {
	var b strings.Builder
	for i := start; i < len(text); {
		j := i
		for j < len(text) && digit(text[j]) {
			j++
		}
		if j == i || b.Len()+j-i > limit {
			break
		}
		b.WriteString(text[i:j])
		end = j
		if j == len(text) || !strings.Contains(separators, text[j:j+1]) {
			break
		}
		i = j + 1
	}
	return end, b.String()
}

func luhn(digits string) bool {
	sum := 0
	for i := range len(digits) {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

// ibanStart returns where the next two letters, two digits and, after a separator or none, four letters or digits begin; -1
// for nowhere.
func ibanStart(text string, at int) int {
	letter := func(i int) bool { return upper(text[i]) || lower(text[i]) }
	for i := at; i+8 <= len(text); i++ {
		if !digit(text[i+3]) || !digit(text[i+2]) || !letter(i) || !letter(i+1) {
			continue
		}
		j := i + 4
		if text[j] == ' ' || text[j] == '-' {
			j++
		}
		count := 0
		for ; j < len(text) && count < 4 && (digit(text[j]) || letter(j)); j++ {
			count++
		}
		if count == 4 {
			return i
		}
	}
	return -1
}

// findIBANs finds account numbers of 15 to 34 characters, plain or in groups, whose ISO 7064 remainder modulo 97 is 1.
func findIBANs(text string) [][2]int {
	var finds [][2]int
	for at := 0; ; {
		start := ibanStart(text, at)
		if start < 0 {
			return finds
		}
		if end := ibanEnd(text, start); end > 0 {
			finds = append(finds, [2]int{start, end})
			at = end
		} else {
			at = start + 1
		}
	}
}

// ibanEnd returns the end of the longest account number that begins at start, 0 for none.
func ibanEnd(text string, start int) int {
	if start > 0 && word(text[start-1]) {
		return 0
	}
	best, compact := 0, make([]byte, 0, 34)
	for i := start; i < len(text) && len(compact) < 34; i++ {
		c := text[i]
		switch {
		case lower(c):
			c -= 'a' - 'A'
		case upper(c) || digit(c):
		case (c == ' ' || c == '-') && word(text[i-1]):
			continue
		default:
			return best
		}
		compact = append(compact, c)
		if len(compact) >= 15 && (i+1 == len(text) || !word(text[i+1])) && mod97(compact) == 1 {
			best = i + 1
		}
	}
	return best
}

func mod97(iban []byte) int {
	rest := 0
	for i := range iban {
		c := iban[(i+4)%len(iban)]
		if digit(c) {
			rest = (rest*10 + int(c-'0')) % 97
		} else {
			rest = (rest*100 + int(c-'A') + 10) % 97
		}
	}
	return rest
}

package redact

import (
	"regexp"
	"slices"
	"strings"
)

var (
	// aboutPhone and aboutOrder are looked for in the words just before a number.
	aboutPhone = regexp.MustCompile(`(?i)(phone|\bcall|\btel\b|\btel[.:]|telefon|mobile|mobil\b|\bcell|whatsapp|\bfax|\bsms\b|handy|电话|手机)[^0-9]*$`)
	aboutOrder = regexp.MustCompile(`(?i)(order|invoice|ticket|tracking|parcel|\bref\b|reference|article|\bsku\b|\bitem|\bcase|serial|product|bestell|rechnung|订单|#)[^0-9]*$`)
	date       = regexp.MustCompile(`^(?:[0-9]{4}[-./][0-9]{1,2}[-./][0-9]{1,2}|[0-9]{1,2}[-./][0-9]{1,2}[-./](?:[0-9]{4}|[0-9]{2}))(?:[^0-9]|$)`)
)

// dated reports whether a text begins with a date: one to four digits and a separator, to begin with.
func dated(text string) bool {
	i := 0
	for i < len(text) && i < 4 && digit(text[i]) {
		i++
	}
	return i > 0 && i < len(text) && strings.IndexByte("-./", text[i]) >= 0 && date.MatchString(text)
}

// before is how much text before a number is looked at, in bytes.
const before = 24

// number is a stretch of digits with single separators, as telephone numbers are written.
type number struct {
	start, end int
	plus       bool
	groups     []string
}

func (n number) digits() int {
	count := 0
	for _, g := range n.groups {
		count += len(g)
	}
	return count
}

// findPhones finds telephone numbers: international ones, national ones with a leading zero, North American ones in their
// groups, Chinese mobile ones, and any of 7 digits or more after a word such as "call". Behind a find the text begins anew,
// as it would in the next round: otherwise a list of numbers would need as many rounds as it has numbers.
func findPhones(text string) [][2]int {
	var finds [][2]int
	past := 0 // bytes of the whole text in front of text
	for i := 0; i < len(text); {
		if c := text[i]; !digit(c) && c != '+' && c != '(' {
			i++
			continue
		}
		n := readNumber(text, i)
		if len(n.groups) > 0 && detached(text, n) && isPhone(text, n) {
			finds = append(finds, [2]int{past + n.start, past + n.end})
			text, past, i = text[n.end:], past+n.end, 0
			continue
		}
		if dated(text[i:]) { // a date is passed over as a whole
			i += date.FindStringIndex(text[i:])[1]
			continue
		}
		if !digit(text[i]) {
			i++
		}
		for i < len(text) && digit(text[i]) {
			i++
		}
	}
	return finds
}

// readNumber reads at most 15 digits. Between groups stand one of "-./", or spaces and parentheses, together at most 3 bytes.
func readNumber(text string, start int) number {
	n := number{start: start, end: start}
	i := start
	if text[i] == '+' {
		n.plus = true
		i++
	}
	for open := i; i < len(text) && i-open < 2 && (text[i] == '(' || text[i] == ' '); {
		i++
	}
	for total := 0; ; {
		j := i
		for j < len(text) && digit(text[j]) {
			j++
		}
		if j == i || total+j-i > 15 {
			return n
		}
		n.groups = append(n.groups, text[i:j])
		n.end, total = j, total+j-i
		for i = j; i < len(text) && i-j < 3 && strings.IndexByte(" ()-./", text[i]) >= 0; {
			i++
		}
		if marks := strings.Trim(text[j:i], " ()"); i == j || len(marks) > 1 {
			return n
		}
	}
}

// detached reports whether the number stands for itself, and is not a piece of a code, a price, a version or a time.
func detached(text string, n number) bool {
	if n.start > 0 {
		c := text[n.start-1]
		if word(c) || c == '#' || strings.IndexByte("$-./:,=", c) >= 0 && n.start > 1 && word(text[n.start-2]) {
			return false
		}
		if c == '$' {
			return false
		}
	}
	if n.end < len(text) {
		c := text[n.end]
		if word(c) || c == '%' || c == '$' {
			return false
		}
		if strings.IndexByte(".,:-/", c) >= 0 && n.end+1 < len(text) && word(text[n.end+1]) {
			return false
		}
		if strings.HasPrefix(text[n.end:], "€") {
			return false
		}
	}
	return true
}

func isPhone(text string, n number) bool {
	digits, first := n.digits(), n.groups[0]
	if n.plus {
		return 8 <= digits
	}
	if digits < 7 { // none below takes fewer, and most numbers in text end here
		return false
	}
	context := text[max(0, n.start-before):n.start]
	if dated(text[n.start:n.end]) || aboutOrder.MatchString(context) {
		return false
	}
	lengths := make([]int, len(n.groups))
	for i, g := range n.groups {
		lengths[i] = len(g)
	}
	switch {
	case aboutPhone.MatchString(context):
		return true
	case strings.HasPrefix(first, "000"):
		return false
	case strings.HasPrefix(first, "00"):
		return digits >= 10
	case first[0] == '0':
		return len(first) >= 2 && 9 <= digits && digits <= 12
	case slices.Equal(lengths, []int{3, 3, 4}):
		return first[0] >= '2'
	case slices.Equal(lengths, []int{1, 3, 3, 4}):
		return first == "1"
	}
	return len(first) == 11 && len(n.groups) == 1 && first[0] == '1' && first[1] >= '3'
}

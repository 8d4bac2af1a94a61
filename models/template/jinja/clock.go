package jinja

import (
	"fmt"
	"strings"
	"time"
)

// layouts are directives of strftime, as layouts of package time. The time has no zone, as in transformers.
var layouts = map[byte]string{
	'Y': "2006", 'y': "06", 'm': "01", 'd': "02", 'e': "_2", 'B': "January", 'b': "Jan", 'h': "Jan", 'A': "Monday", 'a': "Mon",
	'H': "15", 'I': "03", 'M': "04", 'S': "05", 'p': "PM", 'j': "002", 'F': "2006-01-02", 'T': "15:04:05", 'R': "15:04", 'D': "01/02/06",
	'c': "Mon Jan _2 15:04:05 2006", 'x': "01/02/06", 'X': "15:04:05", 'P': "pm", 'r': "03:04:05 PM",
}

// directive is what strftime writes for a letter; ok is false if it is not supported.
func directive(t time.Time, c byte) (text string, ok bool) {
	switch c {
	case '%':
		return "%", true
	case 'n':
		return "\n", true
	case 't':
		return "\t", true
	case 'Z', 'z':
		return "", true
	case 'f':
		return fmt.Sprintf("%06d", t.Nanosecond()/1000), true
	case 'w':
		return fmt.Sprint(int(t.Weekday())), true
	case 'u':
		return fmt.Sprint((int(t.Weekday())+6)%7 + 1), true
	case 'k':
		return fmt.Sprintf("%2d", t.Hour()), true
	case 'l':
		return fmt.Sprintf("%2d", (t.Hour()+11)%12+1), true
	}
	layout, ok := layouts[c]
	return t.Format(layout), ok
}

// strftime formats a time as C and Python do.
func strftime(t time.Time, format string) (string, error) {
	var out strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			out.WriteByte(format[i])
			continue
		}
		i++
		trim := i < len(format) && format[i] == '-'
		if trim {
			i++
		}
		if i == len(format) {
			return "", fmt.Errorf("strftime_now: the format ends in the middle of a directive")
		}
		text, ok := directive(t, format[i])
		if !ok || trim && !strings.ContainsRune("dmyHIMSjekl", rune(format[i])) {
			return "", fmt.Errorf("strftime_now: directive %%%c is not supported", format[i])
		}
		if trim {
			text = strings.TrimLeft(text[:len(text)-1], "0 ") + text[len(text)-1:]
		}
		out.WriteString(text)
	}
	return out.String(), nil
}

package jinja

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

func sum(m *machine, v value, a args) (value, error) {
	p, err := a.bind("sum", "attribute=", "start=")
	if err != nil {
		return nil, err
	}
	items, err := m.iterate(v)
	if err != nil {
		return nil, err
	}
	var total value = int64(0)
	if given(p[1]) {
		total = p[1]
	}
	if _, isText := total.(text); isText {
		return nil, errors.New("TypeError: sum() can't sum strings")
	}
	for _, item := range items {
		if given(p[0]) && p[0] != nil {
			if item, err = m.path(item, p[0], absent{}); err != nil {
				return nil, err
			}
		}
		if total, err = m.operate("+", total, item); err != nil {
			return nil, err
		}
		if _, isFloat := total.(float64); isFloat && len(items) > 2 {
			return nil, errors.New("a sum of floats is not supported: Python rounds it in its own way")
		}
	}
	return total, nil
}

func absolute(_ *machine, v value, a args) (value, error) {
	if _, err := a.bind("abs"); err != nil {
		return nil, err
	}
	if n, ok := integer(v); ok {
		if n < 0 {
			return integers("-", 0, n)
		}
		return n, nil
	}
	if f, ok := v.(float64); ok {
		return math.Abs(f), nil
	}
	return nil, fmt.Errorf("TypeError: bad operand type for abs(): '%s'", kindOf(v))
}

var (
	floatSyntax   = regexp.MustCompile(`^[+-]?(\d+(_\d+)*)?(\.(\d+(_\d+)*)?)?([eE][+-]?\d+(_\d+)*)?$`)
	specialFloat  = regexp.MustCompile(`^(?i:[+-]?(inf|infinity|nan))$`)
	integerSyntax = regexp.MustCompile(`^[+-]?[0-9a-zA-Z]+(_[0-9a-zA-Z]+)*$`)
)

// parseFloat is float(s).
func parseFloat(s string) (float64, bool) {
	s = asciiDigits(strings.TrimFunc(s, isSpace))
	if specialFloat.MatchString(s) {
		f, err := strconv.ParseFloat(s, 64)
		return f, err == nil
	}
	if !floatSyntax.MatchString(s) || !strings.ContainsAny(s, "0123456789") {
		return 0, false
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	return f, err == nil || math.IsInf(f, 0)
}

func toFloat(_ *machine, v value, a args) (value, error) {
	p, err := a.bind("float", "default=")
	if err != nil {
		return nil, err
	}
	if f, _, ok := number(v); ok {
		return f, nil
	}
	if u, ok := v.(undefined); ok {
		return nil, u.err()
	}
	if t, ok := v.(text); ok {
		if f, ok := parseFloat(t.s); ok {
			return f, nil
		}
	}
	if given(p[0]) {
		return p[0], nil
	}
	return 0.0, nil
}

func toInt(_ *machine, v value, a args) (value, error) {
	p, err := a.bind("int", "default=", "base=")
	if err != nil {
		return nil, err
	}
	base, err := whole(p[1], 10)
	if err != nil {
		return nil, err
	}
	f, isFloat := v.(float64)
	switch v := v.(type) {
	case int64:
		return v, nil
	case bool:
		n, _ := integer(v)
		return n, nil
	case undefined:
		return nil, v.err()
	case text:
		s := asciiDigits(strings.TrimFunc(v.s, isSpace))
		if integerSyntax.MatchString(s) {
			n, err := parseInt(s, int(base))
			if err == nil || errors.Is(err, errRange) {
				return n, err
			}
		}
		f, isFloat = parseFloat(s)
		if math.IsInf(f, 0) {
			isFloat = false
		}
	}
	switch {
	case math.IsInf(f, 0):
		return nil, errors.New("OverflowError: cannot convert float infinity to integer")
	case isFloat && math.Abs(f) >= 1<<63:
		return nil, errRange
	case isFloat && !math.IsNaN(f):
		return int64(f), nil
	case given(p[0]):
		return p[0], nil
	}
	return int64(0), nil
}

// parseInt is int(s, base).
func parseInt(s string, base int) (int64, error) {
	digits := strings.ToLower(strings.TrimLeft(s, "+-"))
	prefix := map[int]string{2: "0b", 8: "0o", 16: "0x"}[base]
	if prefix != "" {
		digits = strings.TrimPrefix(strings.TrimPrefix(digits, prefix), "_")
	}
	sign := ""
	if s[0] == '-' {
		sign = "-"
	}
	if base == 0 && len(digits) > 1 && digits[0] == '0' && strings.Trim(digits, "0_") != "" && strings.IndexByte("box", digits[1]) < 0 {
		return 0, errors.New("ValueError: a leading zero")
	}
	if base != 0 {
		digits = strings.ReplaceAll(digits, "_", "")
	}
	n, err := strconv.ParseInt(sign+digits, base, 64)
	if errors.Is(err, strconv.ErrRange) {
		return 0, errRange
	}
	return n, err
}

func round(_ *machine, v value, a args) (value, error) {
	p, err := a.bind("round", "precision=", "method=")
	if err != nil {
		return nil, err
	}
	places, err := whole(p[0], 0)
	if err != nil {
		return nil, err
	}
	method := "common"
	if given(p[1]) {
		t, err := asText(p[1])
		if err != nil {
			return nil, err
		}
		method = t.s
	}
	x, isWhole, ok := number(v)
	switch {
	case !ok:
		return nil, fmt.Errorf("TypeError: type %s doesn't define __round__ method", kindOf(v))
	case places < 0 || places > 300:
		return nil, errors.New("round to less than 0 or more than 300 places is not supported")
	case method == "common" && isWhole:
		n, _ := integer(v)
		return n, nil
	case method == "common":
		return strconv.ParseFloat(strconv.FormatFloat(x, 'f', int(places), 64), 64)
	case method == "ceil":
		return roundTo(math.Ceil, x, int(places))
	case method == "floor":
		return roundTo(math.Floor, x, int(places))
	}
	return nil, errors.New("FilterArgumentError: method must be common, ceil or floor")
}

// roundTo rounds up or down, by way of an integer, as Python does.
func roundTo(way func(float64) float64, x float64, places int) (value, error) {
	scale := math.Pow10(places)
	n := way(x * scale)
	if places > 22 || !(math.Abs(n) < 1<<53) { // neither is exact there
		return nil, errors.New("round of a number of so many digits is not supported")
	}
	if n == 0 {
		n = 0 // an integer has no -0
	}
	return n / scale, nil
}

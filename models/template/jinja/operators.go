package jinja

import (
	"errors"
	"fmt"
	"math"
	"math/big"
)

var errRange = errors.New("an integer over 64 bits is not supported")

// operate is a binary operator of arithmetic.
func (m *machine) operate(op string, a, b value) (value, error) {
	for _, v := range []value{a, b} {
		if u, ok := v.(undefined); ok {
			if t, isText := a.(text); op == "%" && isText { // formatting reaches it first
				return m.printf(t, b)
			}
			return nil, u.err()
		}
	}
	if t, ok := a.(text); ok && op == "%" {
		return m.printf(t, b)
	}
	x, whole, ok := number(a)
	y, also, both := number(b)
	if ok && both {
		if whole && also {
			i, _ := integer(a)
			j, _ := integer(b)
			return integers(op, i, j)
		}
		return floats(op, x, y)
	}
	switch op {
	case "+":
		return m.add(a, b)
	case "*":
		if n, isInt := integer(b); isInt {
			return m.multiply(a, n)
		}
		if n, isInt := integer(a); isInt {
			return m.multiply(b, n)
		}
	}
	return nil, fmt.Errorf("TypeError: unsupported operand type(s) for %s: '%s' and '%s'", op, kindOf(a), kindOf(b))
}

func (m *machine) add(a, b value) (value, error) {
	switch x := a.(type) {
	case text:
		y, ok := b.(text)
		if !ok {
			break
		}
		html := x.html || y.html
		var err error
		if html && !x.html {
			x, err = m.escape(x)
		} else if html && !y.html {
			y, err = m.escape(y)
		}
		if err != nil {
			return nil, err
		}
		out := m.builder()
		out.add(x)
		out.add(y)
		sum, err := out.done()
		sum.html = html
		return sum, err
	case *list:
		y, ok := b.(*list)
		if !ok || x.tuple != y.tuple {
			break
		}
		n := len(x.items) + len(y.items)
		if err := m.made(16 * n); err != nil {
			return nil, err
		}
		items := make([]value, 0, n)
		return &list{items: append(append(items, x.items...), y.items...), tuple: x.tuple}, nil
	}
	return nil, fmt.Errorf("TypeError: '%s' and '%s' cannot be added", kindOf(a), kindOf(b))
}

func (m *machine) multiply(v value, n int64) (value, error) {
	n = max(n, 0)
	switch v := v.(type) {
	case text:
		if len(v.s) > 0 && n > int64(m.limits.Bytes/len(v.s)) {
			return nil, &limitError{"a text", m.limits.Bytes, "bytes"}
		}
		b := m.builder()
		for range n {
			b.add(v)
		}
		out, err := b.done()
		out.html = v.html
		return out, err
	case *list:
		if len(v.items) > 0 && n > int64(m.limits.Bytes/16/len(v.items)) {
			return nil, &limitError{"a list", m.limits.Bytes / 16, "items"}
		}
		out := &list{tuple: v.tuple}
		if len(v.items) == 0 {
			n = 0
		}
		for range n {
			out.items = append(out.items, v.items...)
		}
		return out, m.made(16 * len(out.items))
	}
	return nil, fmt.Errorf("TypeError: unsupported operand type(s) for *: '%s' and 'int'", kindOf(v))
}

func integers(op string, a, b int64) (value, error) {
	switch op {
	case "+":
		if sum := a + b; (sum > a) == (b > 0) {
			return sum, nil
		}
		return nil, errRange
	case "-":
		if diff := a - b; (diff < a) == (b > 0) {
			return diff, nil
		}
		return nil, errRange
	case "*":
		return product(a, b)
	case "**":
		if b >= 0 {
			return power(a, b)
		}
		return floats(op, float64(a), float64(b))
	}
	if b == 0 {
		return nil, errors.New("ZeroDivisionError: division by zero")
	}
	switch op {
	case "/":
		if max(a, -a) > 1<<53 || max(b, -b) > 1<<53 {
			return nil, errRange
		}
		return float64(a) / float64(b), nil
	case "//":
		if a == math.MinInt64 && b == -1 {
			return nil, errRange
		}
		q := a / b
		if a%b != 0 && (a < 0) != (b < 0) {
			q--
		}
		return q, nil
	}
	r := a % b
	if r != 0 && (r < 0) != (b < 0) {
		r += b
	}
	return r, nil
}

func product(a, b int64) (value, error) {
	if a == 0 || b == 0 {
		return int64(0), nil
	}
	p := a * b
	if p/b != a || a == -1 && b == math.MinInt64 || b == -1 && a == math.MinInt64 {
		return nil, errRange
	}
	return p, nil
}

func power(a, b int64) (value, error) {
	if a == 0 || a == 1 || a == -1 {
		b = min(b, 2+b%2)
	}
	var out value = int64(1)
	for range b {
		p, _ := integer(out)
		var err error
		if out, err = product(p, a); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func floats(op string, a, b float64) (value, error) {
	switch op {
	case "+":
		return a + b, nil
	case "-":
		return a - b, nil
	case "*":
		return a * b, nil
	case "**":
		if a == 0 && b < 0 {
			return nil, errors.New("ZeroDivisionError: zero to a negative power")
		}
		return floatPower(a, b)
	}
	if b == 0 {
		return nil, errors.New("ZeroDivisionError: division by zero")
	}
	if op == "/" {
		return a / b, nil
	}
	r := math.Mod(a, b)
	q := (a - r) / b
	if r != 0 && (r < 0) != (b < 0) {
		r, q = r+b, q-1
	} else if r == 0 {
		r = math.Copysign(0, b)
	}
	if op == "%" {
		return r, nil
	}
	floor := math.Floor(q)
	if q-floor > 0.5 {
		floor++
	}
	if floor == 0 {
		floor = math.Copysign(0, a/b)
	}
	return floor, nil
}

// floatPower is a ** b. Package math and the C library that Python calls round powers in different ways, so that a power is
// reckoned with many digits, and refused where the library, which may be wrong by 0.54 of the last place, could round it
// either way.
func floatPower(a, b float64) (value, error) {
	p := math.Pow(a, b)
	switch twice := 2 * b; {
	case math.IsNaN(a) || math.IsNaN(b) || math.IsInf(a, 0) || math.IsInf(b, 0) || a == 0 || b == 0 || a == 1:
		return p, nil
	case math.IsNaN(p):
		return nil, errors.New("a complex number is not supported")
	case math.IsInf(p, 0):
		return nil, errors.New("OverflowError: a number is out of range")
	case twice != math.Trunc(twice) || math.Abs(twice) > 1<<12 || math.Abs(p) < 1e-300 || math.Abs(p) > 1e300:
		return nil, errors.New("such a power is not supported")
	case b == math.Trunc(b):
		return rounded(bigPower(new(big.Float).SetPrec(powerBits).SetFloat64(a), int(b)))
	default:
		root := new(big.Float).SetPrec(powerBits).SetFloat64(a)
		return rounded(bigPower(root.Sqrt(root), int(twice)))
	}
}

const powerBits = 256

// bigPower is a ** n.
func bigPower(a *big.Float, n int) *big.Float {
	out := new(big.Float).SetPrec(powerBits).SetInt64(1)
	for k := max(n, -n); k > 0; k >>= 1 {
		if k&1 == 1 {
			out.Mul(out, a)
		}
		a = new(big.Float).Mul(a, a)
	}
	if n < 0 {
		return out.Quo(big.NewFloat(1).SetPrec(powerBits), out)
	}
	return out
}

// rounded is the float next to a number, unless that lies about in the middle of two.
func rounded(x *big.Float) (value, error) {
	f, _ := x.Float64()
	off, _ := new(big.Float).Sub(x, big.NewFloat(f)).Float64()
	last := math.Nextafter(math.Abs(f), math.Inf(1)) - math.Abs(f)
	if math.Abs(off) > 0.46*last {
		return nil, errors.New("a power that is between two floats is not supported")
	}
	return f, nil
}

// compare is one of == != < <= > >= in and not in.
func (m *machine) compare(op string, a, b value) (bool, error) {
	switch op {
	case "==", "!=":
		same, err := m.equal(a, b)
		return same == (op == "=="), err
	case "in", "not in":
		has, err := m.contains(b, a)
		return has == (op == "in"), err
	}
	if op == ">" || op == "<=" {
		a, b = b, a
	}
	x, _, isNumber := number(a)
	y, _, both := number(b)
	if isNumber && both && (math.IsNaN(x) || math.IsNaN(y)) {
		return false, nil
	}
	below, err := m.less(a, b)
	return below == (op == "<" || op == ">"), err
}

// escape is markupsafe's escape: text for HTML.
func (m *machine) escape(t text) (text, error) {
	if t.html {
		return t, nil
	}
	out, err := m.each(t, func(b *builder, r rune, user bool) {
		switch r {
		case '&':
			b.write("&amp;", user)
		case '<':
			b.write("&lt;", user)
		case '>':
			b.write("&gt;", user)
		case '\'':
			b.write("&#39;", user)
		case '"':
			b.write("&#34;", user)
		default:
			b.write(string(r), user)
		}
	})
	out.html = true
	return out, err
}

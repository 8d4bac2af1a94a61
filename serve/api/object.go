package api

import (
	"math"
	"strconv"
)

// reader collects the first error of decoding a document.
type reader struct{ err error }

func (r *reader) fail(p *Problem) {
	if r.err == nil {
		r.err = p
	}
}

// object reads the fields of a JSON object by name. A field that is null counts as absent; what is never asked for is
// refused by end.
type object struct {
	r      *reader
	path   string
	fields map[string]value
	names  []string
	asked  map[string]bool
}

// read parses a body that must be an object.
func read(body []byte) (*reader, *object, error) {
	v, err := parse(body)
	if err != nil {
		return nil, nil, err
	}
	r := &reader{}
	o := r.object("", v)
	return r, o, r.err
}

// object takes v as an object; on a wrong type it records the error and returns an empty one.
func (r *reader) object(path string, v value) *object {
	o := &object{r: r, path: path, fields: map[string]value{}, asked: map[string]bool{}}
	if v.kind != mapping {
		r.wrong(path, v, "an object")
		return o
	}
	for _, m := range v.fields {
		o.names = append(o.names, m.name)
		o.fields[m.name] = m.value
	}
	return o
}

func (r *reader) wrong(path string, v value, want string) {
	where := path
	if where == "" {
		where = "the body"
	}
	r.fail(badRequest("wrong_type", path, "%s is %s, it must be %s", where, v.kind, want))
}

// get returns a field that is there and not null.
func (o *object) get(name string) (value, bool) {
	o.asked[name] = true
	v, ok := o.fields[name]
	return v, ok && v.kind != null
}

func (o *object) at(name string) string { return join(o.path, name) }

// missing records that a field must be given.
func (o *object) missing(name string) {
	o.r.fail(badRequest("missing_field", o.at(name), "the field %s is missing", o.at(name)))
}

// string reads an optional string.
func (o *object) string(name string) (s string, ok bool) {
	v, ok := o.get(name)
	if !ok {
		return "", false
	}
	if v.kind != text {
		o.r.wrong(o.at(name), v, "a string")
	}
	return v.text, true
}

// need reads a string that must be there and not be empty.
func (o *object) need(name string) string {
	s, ok := o.string(name)
	if !ok {
		o.missing(name)
	} else if s == "" {
		o.r.fail(badRequest("invalid_value", o.at(name), "%s is empty", o.at(name)))
	}
	return s
}

// limited reads an optional string of at most max bytes.
func (o *object) limited(name string, max int) string {
	s, _ := o.string(name)
	if len(s) > max {
		o.r.fail(badRequest("invalid_value", o.at(name), "%s has %d bytes, at most %d are allowed", o.at(name), len(s), max))
	}
	return s
}

// bool reads an optional boolean.
func (o *object) bool(name string) bool {
	v, ok := o.get(name)
	if ok && v.kind != boolean {
		o.r.wrong(o.at(name), v, "true or false")
	}
	return v.truth
}

// boolOr is bool for fields that are not false where they are left out.
func (o *object) boolOr(name string, absent bool) bool {
	if _, ok := o.get(name); !ok {
		return absent
	}
	return o.bool(name)
}

// float reads an optional number within [low, high].
func (o *object) float(name string, low, high float64) (f float64, ok bool) {
	v, ok := o.get(name)
	if !ok {
		return 0, false
	}
	return o.r.float(o.at(name), v, low, high), true
}

func (r *reader) float(path string, v value, low, high float64) float64 {
	if v.kind != number {
		r.wrong(path, v, "a number")
		return low
	}
	f, err := strconv.ParseFloat(v.text, 64)
	if err != nil || math.IsInf(f, 0) || f < low || f > high {
		r.fail(badRequest("invalid_value", path, "%s is %s, it must be from %v to %v", path, v.text, low, high))
		return low
	}
	return f
}

// int reads an optional integer within [low, high].
func (o *object) int(name string, low, high int64) (n int64, ok bool) {
	v, ok := o.get(name)
	if !ok {
		return 0, false
	}
	return o.r.int(o.at(name), v, low, high), true
}

func (r *reader) int(path string, v value, low, high int64) int64 {
	if v.kind != number {
		r.wrong(path, v, "an integer")
		return low
	}
	n, err := strconv.ParseInt(v.text, 10, 64)
	if err != nil {
		if f, ferr := strconv.ParseFloat(v.text, 64); ferr == nil && f != math.Trunc(f) {
			r.fail(badRequest("wrong_type", path, "%s is %s, it must be an integer", path, v.text))
		} else {
			r.fail(badRequest("invalid_value", path, "%s is %s, it must be an integer from %d to %d", path, v.text, low, high))
		}
		return low
	}
	if n < low || n > high {
		r.fail(badRequest("invalid_value", path, "%s is %d, it must be from %d to %d", path, n, low, high))
		return low
	}
	return n
}

// list reads an optional array of at most max items.
func (o *object) list(name string, max int) ([]value, bool) {
	v, ok := o.get(name)
	if !ok {
		return nil, false
	}
	if v.kind != array {
		o.r.wrong(o.at(name), v, "an array")
		return nil, true
	}
	if len(v.items) > max {
		o.r.fail(badRequest("invalid_value", o.at(name), "%s has %d items, at most %d are allowed", o.at(name), len(v.items), max))
	}
	return v.items, true
}

// end refuses every field that was not asked for: as unsupported where it is known, as unknown otherwise.
func (o *object) end(unsupported map[string]string) error {
	for _, name := range o.names {
		if o.asked[name] {
			continue
		}
		path := o.at(name)
		if why, ok := unsupported[name]; ok {
			o.r.fail(badRequest("unsupported_field", path, "the field %s is not supported%s", path, why))
		} else {
			o.r.fail(badRequest("unknown_field", path, "the field %s is not known", path))
		}
	}
	return o.r.err
}

package api

import (
	"math"
	"strconv"
)

// reader collects the first error of decoding a document, and what was ignored in it.
type reader struct {
	err     error
	ignored []string // paths
}

func (r *reader) fail(p *Problem) {
	if r.err == nil {
		r.err = p
	}
}

// object reads the fields of a JSON object by name. A field that is null counts as absent, and so does one that says no more
// than that by the rules; what is never asked for is refused by end, unless it is empty or the rules have a place for it.
type object struct {
	r      *reader
	path   string
	fields map[string]value
	names  []string
	asked  map[string]bool
	rules  fields
	notes  bool // what is not known is a note that changes nothing
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

// by sets the rules for fields that are not supported, and for values that are as good as none.
func (o *object) by(rules fields) *object {
	o.rules = rules
	for name, v := range o.fields {
		if f, ok := rules[name]; ok && f.silent(v) {
			o.fields[name] = value{}
		}
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

// members are all fields that are not null; they count as asked for.
func (o *object) members() []member {
	var list []member
	for _, name := range o.names {
		if v, ok := o.get(name); ok {
			list = append(list, member{name, v})
		}
	}
	return list
}

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

// boolOrTrue is bool for fields that are true where they are left out.
func (o *object) boolOrTrue(name string) bool {
	if _, ok := o.get(name); !ok {
		return true
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
		r.fail(badRequest("invalid_value", path, "%s is %s, it must be from %v to %v", path, clip(v.text), low, high))
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
	n, whole, ok := integer(v.text)
	switch {
	case !whole:
		r.fail(badRequest("wrong_type", path, "%s is %s, it must be an integer", path, clip(v.text)))
		return low
	case !ok:
		r.fail(badRequest("invalid_value", path, "%s is %s, it must be an integer from %d to %d", path, clip(v.text), low, high))
		return low
	}
	if n < low || n > high {
		r.fail(badRequest("invalid_value", path, "%s is %d, it must be from %d to %d", path, n, low, high))
		return low
	}
	return n
}

// integer reads a number without a fraction, which may be written as 3, 3.0 or 3e0. whole says whether it is one, and ok
// whether it fits: what is written with a point or an exponent must be less than 2^53, beyond which it would not be exact.
func integer(literal string) (n int64, whole, ok bool) {
	if n, err := strconv.ParseInt(literal, 10, 64); err == nil {
		return n, true, true
	}
	f, err := strconv.ParseFloat(literal, 64)
	if err != nil || math.Abs(f) >= 1<<53 {
		return 0, true, false
	}
	return int64(f), f == math.Trunc(f), true
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

// end refuses every field that was not asked for: as unsupported where the rules name it, as unknown otherwise. What says
// nothing is accepted, and what changes no answer is ignored.
func (o *object) end() error {
	for _, name := range o.names {
		if o.asked[name] {
			continue
		}
		path, v := o.at(name), o.fields[name]
		f, known := o.rules[name]
		switch {
		case v.kind == null && !o.notes:
		case v.kind == null, f.ignored, !known && o.notes:
			o.r.ignored = append(o.r.ignored, path)
		case known:
			o.r.fail(f.problem(path))
		case !empty(v):
			o.r.fail(badRequest("unknown_field", path, "the field %s is not known", path))
		}
	}
	return o.r.err
}

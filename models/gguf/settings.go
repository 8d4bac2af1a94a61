package gguf

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// settings reads typed values out of the metadata, keeps the first error, and remembers what was asked for.
type settings struct {
	f      *File
	prefix string // goes before every key
	asked  map[string]bool
	err    error
}

// ask is the full name of a key, and whether it is there to be read.
func (s *settings) ask(key string) (string, bool) {
	key = s.prefix + key
	if s.asked != nil {
		s.asked[key] = true
	}
	return key, s.err == nil && s.f.Has(key)
}

// text is a string, "" without the key.
func (s *settings) text(key string) (text string) {
	if key, ok := s.ask(key); ok {
		text, s.err = s.f.String(key)
	}
	return text
}

// needText is a string that must be there.
func (s *settings) needText(key string) (text string) {
	if key, _ := s.ask(key); s.err == nil {
		text, s.err = s.f.String(key)
	}
	return text
}

// flag is a bool and whether it is there.
func (s *settings) flag(key string) (value, ok bool) {
	key, ok = s.ask(key)
	if ok {
		value, s.err = s.f.Bool(key)
	}
	return value, ok
}

// maxSize bounds what sizes of models are, so that products of two of them are numbers still.
const maxSize = 1 << 30

// size is a number of things; otherwise is what holds without the key, 0 for a key that must be there.
func (s *settings) size(key string, otherwise int64) (n int64) {
	key, ok := s.ask(key)
	if !ok && (otherwise != 0 || s.err != nil) {
		return otherwise
	}
	n, s.err = s.f.Int(key)
	if s.err == nil && (n < 1 || n > maxSize) {
		s.err = fmt.Errorf("%s is %d, want 1 to %d", key, n, maxSize)
	}
	return n
}

// window is a number of positions, 0 for none or without the key.
func (s *settings) window(key string) (n int64) {
	key, ok := s.ask(key)
	if !ok {
		return 0
	}
	n, s.err = s.f.Int(key)
	if s.err == nil && (n < 0 || n > maxSize) {
		s.err = fmt.Errorf("%s is %d, want 0 to %d", key, n, maxSize)
	}
	return n
}

// float is a finite number; otherwise is what holds without the key, 0 for a key that must be there.
func (s *settings) float(key string, otherwise float64) (x float64) {
	key, ok := s.ask(key)
	if !ok && (otherwise != 0 || s.err != nil) {
		return otherwise
	}
	x, s.err = s.f.Float(key)
	if s.err == nil && (math.IsNaN(x) || math.IsInf(x, 0)) {
		s.err = fmt.Errorf("%s is %v, want a finite number", key, x)
	}
	return shortest(x)
}

// positive is float of what must be above zero.
func (s *settings) positive(key string, otherwise float64) float64 {
	x := s.float(key, otherwise)
	if s.err == nil && x <= 0 {
		s.err = fmt.Errorf("%s%s is %v, want a positive number", s.prefix, key, x)
	}
	return x
}

// harmless refuses a key whose value changes the computation; value is what does not.
func (s *settings) harmless(key string, value any, why string) {
	name, ok := s.ask(key)
	if !ok {
		return
	}
	var found any
	switch value.(type) {
	case bool:
		found, s.err = s.f.Bool(name)
	case int64:
		found, s.err = s.f.Int(name)
	case float64:
		found, s.err = s.f.Float(name)
	}
	if s.err == nil && found != value {
		s.err = fmt.Errorf("%s is %v: %s", name, found, why)
	}
}

// rest refuses keys with the prefix that nobody asked for: they may change what the model computes.
func (s *settings) rest() error {
	if s.err != nil {
		return s.err
	}
	for _, key := range s.f.keys {
		if strings.HasPrefix(key, s.prefix) && !s.asked[key] {
			return fmt.Errorf("%.80s is not known for this architecture, and a model may compute otherwise with it", key)
		}
	}
	return nil
}

// shortest is the number with the fewest digits that has the same float32, so that 1e-05 does not come out as 9.999999747378752e-06. A
// number that is no float32 stays as it is.
func shortest(x float64) float64 {
	if float64(float32(x)) != x {
		return x
	}
	short, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', -1, 32), 64)
	if err != nil {
		return x
	}
	return short
}

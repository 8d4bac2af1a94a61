package registry

import (
	"errors"
	"fmt"
)

// refusal is one of the causes of this package in words that name the thing and stand alone.
type refusal struct {
	cause error
	text  string
}

func (r refusal) Error() string { return r.text }
func (r refusal) Unwrap() error { return r.cause }

func refused(cause error, format string, args ...any) error {
	return refusal{cause, fmt.Sprintf(format, args...)}
}

// within says what was being done when err came about, unless that stands alone.
func within(err error, format string, args ...any) error {
	if r := (refusal{}); errors.As(err, &r) {
		return r
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}

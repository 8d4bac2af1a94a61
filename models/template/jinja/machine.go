package jinja

import (
	"errors"
	"fmt"
	"time"
)

// Limits bound one render.
type Limits struct {
	Steps int           // statements and expressions run, and values looked at
	Time  time.Duration // from its start
	Bytes int           // of one text: the prompt, and any value in between
	Total int           // bytes of all texts that are made
	Depth int           // macros and loops that call themselves
}

// Error says what is wrong with a template, or with what it was asked to do. It quotes no value.
type Error struct {
	Line    int // 0 if it is not known
	Message string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Message
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Message)
}

// Raised is what a template says with raise_exception.
type Raised struct {
	Line    int
	Message string
}

func (r *Raised) Error() string { return fmt.Sprintf("line %d: %s", r.Line, r.Message) }

// limitError says that a render goes beyond a limit.
type limitError struct {
	what  string
	limit any
	unit  string
}

func (e *limitError) Error() string {
	return fmt.Sprintf("%s is over the limit of %v %s", e.what, e.limit, e.unit)
}

// Limited says whether a render ended because of a limit.
func Limited(err error) bool {
	var limit *limitError
	return errors.As(err, &limit)
}

// located is an error at a line.
type located struct {
	line int
	err  error
}

func (l *located) Error() string { return fmt.Sprintf("line %d: %v", l.line, l.err) }
func (l *located) Unwrap() error { return l.err }

// at gives an error its line, unless it has one.
func at(line int, err error) error {
	var has *located
	var raised *Raised
	switch {
	case err == nil || errors.Is(err, errBreak) || errors.Is(err, errContinue) || errors.As(err, &has):
		return err
	case errors.As(err, &raised):
		if raised.Line == 0 {
			raised.Line = line
		}
		return err
	}
	return &located{line, err}
}

// machine is one render.
type machine struct {
	limits   Limits
	deadline time.Time
	now      time.Time
	steps    int
	total    int
	depth    int
}

// step counts n steps of work.
func (m *machine) step(n int) error {
	before := m.steps
	m.steps += n
	if m.steps > m.limits.Steps {
		return &limitError{"the work of a render", m.limits.Steps, "steps"}
	}
	if before>>8 != m.steps>>8 && time.Now().After(m.deadline) {
		return &limitError{"a render", m.limits.Time, "of time"}
	}
	return nil
}

// made counts the bytes of a text.
func (m *machine) made(bytes int) error {
	if m.total += bytes; m.total > m.limits.Total {
		return &limitError{"what a render makes", m.limits.Total, "bytes"}
	}
	return m.step(1 + bytes/256)
}

// enter counts one more call in a call; leave ends it.
func (m *machine) enter() error {
	if m.depth++; m.depth > m.limits.Depth {
		return &limitError{"what calls itself", m.limits.Depth, "calls"}
	}
	return nil
}

func (m *machine) leave() { m.depth-- }

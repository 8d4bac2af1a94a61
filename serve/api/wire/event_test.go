package wire

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

// TestEvents reads streams as servers send them: with comments, names, several lines of data, and an end before its time.
func TestEvents(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       []Event
	}{
		{"a completion", "data: {\"a\":1}\n\n: keep-alive\n\ndata: [DONE]\n\n", []Event{{"", `{"a":1}`}, {"", Done}}},
		{"named events", "event: state\ndata: 1\n\ndata: 2\n\n", []Event{{"state", "1"}, {"", "2"}}},
		{"lines with carriage returns, and without spaces", "event:state\r\ndata:1\r\n\r\n", []Event{{"state", "1"}}},
		{"two lines of data", "id: 7\ndata: a: b\ndata:\ndata:  c\n\n", []Event{{"", "a: b\n\n c"}}},
		{"no data", "event: state\n\n\n\ndata: 1\n\n", []Event{{"", "1"}}},
		{"cut off inside an event", "data: 1\n\nevent: done\ndata: {", []Event{{"", "1"}}},
		{"nothing", "", nil},
	} {
		var got []Event
		for e, err := range Events(strings.NewReader(c.body)) {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			got = append(got, e)
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestEventsEnd stops at the first event that is enough, and tells what kept it from reading on.
func TestEventsEnd(t *testing.T) {
	broken := errors.New("the cable is cut")
	body := io.MultiReader(strings.NewReader("data: 1\n\ndata: 2\n\n"), iotest.ErrReader(broken))
	seen := 0
	for range Events(body) {
		seen++
		break
	}
	if seen != 1 {
		t.Errorf("read %d events after the first", seen-1)
	}
	var last error
	for e, err := range Events(io.MultiReader(strings.NewReader("data: 1\n\n"), iotest.ErrReader(broken))) {
		if last = err; err == nil && e.Data != "1" {
			t.Errorf("event %q", e)
		}
	}
	if !errors.Is(last, broken) {
		t.Errorf("the end was told as %v", last)
	}
	for _, err := range Events(strings.NewReader("data: " + strings.Repeat("x", maxLine) + "\n\n")) {
		if err == nil {
			t.Error("a line without an end was read")
		}
	}
}

package wire

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"strings"
)

// Done is the data of the last event of a streamed completion.
const Done = "[DONE]"

// maxLine bounds a line of a stream, in bytes: the last event of a night is its record.
const maxLine = 16 << 20

// Event is a server-sent event. Name is "" for those of OpenAI's completions and for errors.
type Event struct{ Name, Data string }

// Events reads server-sent events until the end of a body. An event counts once the empty line behind it has come; comments and
// fields that the API does not use are skipped. An error of reading is the last thing that is told.
func Events(body io.Reader) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		lines := bufio.NewScanner(body)
		lines.Buffer(nil, maxLine)
		var e Event
		var data []string
		for lines.Scan() {
			field, value, _ := strings.Cut(lines.Text(), ":")
			value = strings.TrimPrefix(value, " ")
			switch {
			case lines.Text() == "":
				e.Data = strings.Join(data, "\n")
				if len(data) > 0 && !yield(e, nil) {
					return
				}
				e, data = Event{}, nil
			case field == "event":
				e.Name = value
			case field == "data":
				data = append(data, value)
			}
		}
		if err := lines.Err(); err != nil {
			yield(Event{}, fmt.Errorf("read events: %w", err))
		}
	}
}

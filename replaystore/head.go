package replaystore

import (
	"bytes"
	"strconv"
	"time"
)

// Head is what a shipper has to know of an interaction or of feedback to send it.
type Head struct {
	Key         string // Event.Key
	Track       string
	Interaction string // Event.InteractionID
	Subject     string
	Time        time.Time
	Event       []byte // as Event.Encode made it; part of the record
}

// recordStart and recordEvent are what a record of an event begins with, around its time.
var (
	recordStart = []byte(`{"v":` + strconv.Itoa(EncodingVersion) + `,"t":"`)
	recordEvent = []byte(`","event":`)
	eventStart  = []byte(`{"v":` + strconv.Itoa(EncodingVersion) + `,`)
)

// DecodeHead reads the head of a record of an interaction or of feedback, without its texts: encodings are canonical, so
// what is wanted stands in front. It is false for every other record, and where it is not sure: DecodeRecord tells.
func DecodeHead(record []byte) (Head, bool) {
	data, ok := bytes.CutPrefix(record, recordStart)
	at := bytes.Index(data, recordEvent)
	if !ok || at < 0 || bytes.IndexByte(data[:at], '"') >= 0 {
		return Head{}, false
	}
	event, ok := bytes.CutSuffix(data[at+len(recordEvent):], []byte("}"))
	if !ok || !bytes.HasPrefix(event, eventStart) {
		return Head{}, false
	}
	h, f := Head{Event: event}, fields{event[len(eventStart):], true}
	var stamp string
	switch {
	case f.skip(`"interaction":{`):
		h.Interaction, h.Track, stamp = f.next("id"), f.next(`track`), f.next("time")
		h.Key = InteractionKey(h.Interaction)
	case f.skip(`"feedback":{`):
		id := f.next("id")
		h.Interaction, h.Track, stamp = f.next("interaction"), f.next("track"), f.next("time")
		h.Key = Event{Feedback: &Feedback{ID: id, Interaction: h.Interaction}}.Key()
	default:
		return Head{}, false
	}
	if bytes.HasPrefix(f.rest, []byte(`"subject":"`)) {
		h.Subject = f.next("subject")
	}
	var err error
	h.Time, err = time.Parse(time.RFC3339Nano, stamp)
	return h, err == nil && f.ok
}

// fields reads strings of a canonical JSON object in the order in which they stand.
type fields struct {
	rest []byte
	ok   bool // nothing was other than expected
}

// skip passes over a text that stands next.
func (f *fields) skip(text string) bool {
	rest, ok := bytes.CutPrefix(f.rest, []byte(text))
	f.rest = rest
	return ok
}

// next reads the field with a name, whose string has no escapes, and the comma behind it.
func (f *fields) next(name string) string {
	if !f.skip(`"` + name + `":"`) {
		f.ok = false
		return ""
	}
	end := bytes.IndexByte(f.rest, '"')
	if end < 0 || bytes.IndexByte(f.rest[:end], '\\') >= 0 || end+1 >= len(f.rest) || f.rest[end+1] != ',' {
		f.ok = false
		return ""
	}
	value := string(f.rest[:end])
	f.rest = f.rest[end+2:]
	return value
}

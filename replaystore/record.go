package replaystore

import (
	"encoding/json"
	"fmt"
	"time"
)

// Record is what the stores write into their journals. Exactly one of Event, Admit, Retire and Snapshot is set.
type Record struct {
	Time     time.Time // when it was appended, by this machine's clock
	Track    string    // of Admit, Retire and Snapshot
	Event    *Event
	Admit    *MemoryItem
	Retire   []string
	Snapshot *MemoryState
}

type wireRecord struct {
	V        int             `json:"v"`
	Time     time.Time       `json:"t"`
	Track    string          `json:"track,omitempty"`
	Event    json.RawMessage `json:"event,omitempty"`
	Admit    *MemoryItem     `json:"admit,omitempty"`
	Retire   []string        `json:"retire,omitempty"`
	Snapshot *MemoryState    `json:"snapshot,omitempty"`
}

// Encode validates the record and returns its JSON. It holds no byte 0xFF: it is valid UTF-8.
func (r Record) Encode() ([]byte, error) {
	w := wireRecord{V: EncodingVersion, Time: canonicalTime(r.Time), Track: r.Track, Admit: r.Admit, Retire: r.Retire, Snapshot: r.Snapshot}
	switch {
	case r.Event != nil && r.Track == "":
		return r.encodeEvent()
	case r.Event != nil:
		return nil, invalid("record", "has a track of its own beside its event's")
	case r.Admit != nil:
		if err := r.Admit.Validate(); err != nil {
			return nil, err
		}
	}
	data, err := EncodeJSON(w)
	if err != nil {
		return nil, fmt.Errorf("encode record: %w", err)
	}
	if r.Admit != nil && len(data) > MaxEncoded {
		return nil, invalid("memory item "+r.Admit.ID, "is %d bytes when encoded; the limit is %d", len(data), MaxEncoded)
	}
	return data, nil
}

// encodeEvent writes the record around the event's own bytes, as encoding/json would.
func (r Record) encodeEvent() ([]byte, error) {
	event, err := r.Event.Encode()
	if err != nil {
		return nil, err
	}
	data := make([]byte, 0, len(event)+len(recordStart)+len(time.RFC3339Nano)+len(recordEvent)+1)
	data = append(data, recordStart...)
	data = canonicalTime(r.Time).AppendFormat(data, time.RFC3339Nano)
	data = append(data, recordEvent...)
	data = append(data, event...)
	return append(data, '}'), nil
}

// DecodeRecord reads what Encode wrote.
func DecodeRecord(data []byte) (Record, error) {
	var w wireRecord
	if err := json.Unmarshal(data, &w); err != nil {
		return Record{}, fmt.Errorf("decode record: %w", err)
	}
	if w.V != EncodingVersion {
		return Record{}, fmt.Errorf("decode record: encoding version %d, this program reads version %d", w.V, EncodingVersion)
	}
	r := Record{Time: w.Time, Track: w.Track, Admit: w.Admit, Retire: w.Retire, Snapshot: w.Snapshot}
	if w.Event != nil {
		e, err := DecodeEvent(w.Event)
		if err != nil {
			return Record{}, err
		}
		r.Event = &e
	}
	return r, nil
}

// EncodeRecords encodes events for a journal. Erasures are refused.
func EncodeRecords(events []Event, now time.Time) ([][]byte, error) {
	out := make([][]byte, len(events))
	for n := range events {
		if events[n].Erasure != nil {
			return nil, invalid("erasure", "cannot be appended; call Erase")
		}
		data, err := Record{Time: now, Event: &events[n]}.Encode()
		if err != nil {
			return nil, err
		}
		out[n] = data
	}
	return out, nil
}

// AdmitRecords validates items and makes them records; a weight of 0 becomes 1.
func AdmitRecords(track string, items []MemoryItem, now time.Time) ([]Record, error) {
	out := make([]Record, len(items))
	for n, item := range items {
		if item.Weight == 0 {
			item.Weight = 1
		}
		item.Time = canonicalTime(item.Time)
		if err := item.Validate(); err != nil {
			return nil, err
		}
		out[n] = Record{Time: now, Track: track, Admit: &item}
	}
	return out, nil
}

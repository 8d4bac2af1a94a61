package replaystore

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// TestHead compares what is read in front with what is read whole.
func TestHead(t *testing.T) {
	named, spoof, quoted := interaction(), interaction(), interaction()
	named.Subject = "abc"
	spoof.Messages[0].Content = `","subject":"someone","event":{"id":"x",`
	quoted.Subject = `a"b\c`
	other := feedback()
	other.Subject, other.ID = "someone", "f/1"
	for n, e := range []Event{{Interaction: interaction()}, {Interaction: named}, {Interaction: spoof}, {Interaction: quoted}, {Feedback: feedback()}, {Feedback: other},
		{Erasure: &Erasure{ID: "e1", Subject: "s", Time: day}}} {
		data, err := Record{Time: day, Event: &e}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		whole, err := EncodeJSON(wireRecord{V: EncodingVersion, Time: canonicalTime(day), Event: json.RawMessage(data[bytes.Index(data, recordEvent)+len(recordEvent) : len(data)-1])})
		if err != nil || !bytes.Equal(whole, data) {
			t.Fatalf("%d: record\n%s\nis not\n%s, %v", n, data, whole, err)
		}
		h, ok := DecodeHead(data)
		if want := n != 3 && n != 6; ok != want { // one with escapes, one without a head
			t.Fatalf("%d: found %v, want %v", n, ok, want)
		}
		payload, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if ok && (h.Key != e.Key() || h.Track != e.Track() || h.Interaction != e.InteractionID() || h.Subject != e.Subject() || !h.Time.Equal(e.Time()) || !bytes.Equal(h.Event, payload)) {
			t.Errorf("%d: got %+v", n, h)
		}
		for cut := range len(data) { // never a panic, and never a head of what is not whole
			if h, ok := DecodeHead(data[:cut]); ok && !strings.HasSuffix(string(data[:cut]), "}") {
				t.Fatalf("%d: cut at %d: %+v", n, cut, h)
			}
		}
	}
	item := MemoryItem{Example: Example{ID: "x", Kind: SFT, Time: day}}
	data, err := EncodeJSON(wireRecord{V: EncodingVersion, Time: day, Track: "t", Admit: &item})
	if err != nil {
		t.Fatal(err)
	}
	if h, ok := DecodeHead(data); ok {
		t.Errorf("the head of a memory item: %+v", h)
	}
	if _, err := (Record{Time: day, Track: "t", Event: &Event{Feedback: feedback()}}).Encode(); err == nil {
		t.Error("a record with two tracks was encoded")
	}
}

package selection

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"nightshift/replaystore"
)

// Item is one example of a frozen selection, as it is written to the night's record.
type Item struct {
	replaystore.Example
	Use     string  `json:"use"`
	Weight  float64 `json:"weight"`            // of the loss
	Why     string  `json:"why"`               // where it comes from, for people
	Loss    float64 `json:"loss,omitempty"`    // of the champion, nats per token, where it was measured
	Fed     int     `json:"fed,omitempty"`     // while it waits: for how many like it it stands
	Repeats int     `json:"repeats,omitempty"` // the same or nearly the same examples of the same person, which are not used beside it
	// Opposed is, while it waits, how many people said otherwise in the nights that it has waited for. What they said may be
	// remembered nowhere else: of people who are held out nothing is learned.
	Opposed int `json:"opposed,omitempty"`

	// Open says that the answer goes on after the completion: no end is taught there.
	Open bool `json:"open,omitempty"`

	// Track is whose memory the item is from, where a night makes a warm start of several tracks'.
	Track string `json:"track,omitempty"`

	// Served is how the answer was served that is called worse, good or bad; nil where it is only imitated.
	Served *Served `json:"served,omitempty"`
}

// Knowable says whether an item has an answer that is to be known: one that was called bad has none.
func (it Item) Knowable() bool {
	return it.Completion != "" && (it.Kind != replaystore.Unpaired || it.Good)
}

// Reason says why something is not used.
type Reason struct {
	ID    string `json:"id"`
	Of    string `json:"of,omitempty"` // what it is: "" feedback, or an older example of the "memory", "starter", "anchor" or "probe" files
	Why   string `json:"why"`
	Waits bool   `json:"waits,omitempty"` // quarantined: later nights look at it again
}

// EncodeItems writes a selection, one item a line.
func EncodeItems(items []Item) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for _, it := range items {
		if err := e.Encode(it); err != nil {
			return nil, fmt.Errorf("encode example %s: %w", it.ID, err)
		}
	}
	return b.Bytes(), nil
}

// DecodeItems reads what EncodeItems wrote.
func DecodeItems(data []byte) ([]Item, error) {
	return DecodeLines[Item]("example", data)
}

// DecodeLines reads JSON values, one after the other; what names one in errors.
func DecodeLines[T any](what string, data []byte) ([]T, error) {
	var list []T
	d := json.NewDecoder(bytes.NewReader(data))
	for {
		var v T
		if err := d.Decode(&v); errors.Is(err, io.EOF) {
			return list, nil
		} else if err != nil {
			return nil, fmt.Errorf("decode %s %d: %w", what, len(list)+1, err)
		}
		list = append(list, v)
	}
}

// Using picks the items with a use.
func Using(items []Item, use string) []Item {
	var list []Item
	for _, it := range items {
		if it.Use == use {
			list = append(list, it)
		}
	}
	return list
}

// Parted tells what editors say from what others say.
func Parted(items []Item) (others, editors []Item) {
	for _, it := range items {
		if it.Editor {
			editors = append(editors, it)
		} else {
			others = append(others, it)
		}
	}
	return others, editors
}

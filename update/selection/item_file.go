package selection

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

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

// Package strictjson splits a JSON object into its members without forgiving anything.
//
// encoding/json keeps the last of two equal keys, matches field names without regard to case and replaces broken UTF-8;
// a file that decides what a model computes deserves none of that. Object refuses duplicate keys, invalid UTF-8 and
// trailing bytes, and keys match exactly. It looks at one level only: the members stay raw JSON for the caller, who
// splits nested objects the same way. It is no general decoder.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Member is one key of an object with its raw value.
type Member struct {
	Key   string
	Value json.RawMessage
}

// Members returns the members of the one JSON object in data, in file order.
func Members(data []byte) ([]Member, error) {
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("the JSON is not valid UTF-8")
	}
	if bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) {
		return nil, errors.New("the JSON begins with a byte order mark; save it as UTF-8 without one")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	tok, err := dec.Token()
	if err != nil {
		return nil, fmt.Errorf("read JSON: %w", eof(err))
	}
	if tok != json.Delim('{') {
		return nil, fmt.Errorf("the JSON is not an object")
	}
	var members []Member
	seen := map[string]bool{}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("read JSON: %w", eof(err))
		}
		key, ok := tok.(string)
		if !ok {
			return nil, fmt.Errorf("the JSON object has a key that is not a string")
		}
		if seen[key] {
			return nil, fmt.Errorf("key %q appears twice", key)
		}
		seen[key] = true
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, fmt.Errorf("read the value of %q: %w", key, eof(err))
		}
		members = append(members, Member{key, raw})
	}
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("read JSON: %w", eof(err))
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("bytes follow the JSON object")
	}
	return members, nil
}

// Object returns the members of the one JSON object in data by key.
func Object(data []byte) (map[string]json.RawMessage, error) {
	members, err := Members(data)
	if err != nil {
		return nil, err
	}
	object := make(map[string]json.RawMessage, len(members))
	for _, m := range members {
		object[m.Key] = m.Value
	}
	return object, nil
}

func eof(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

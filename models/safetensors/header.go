package safetensors

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"sort"
	"strconv"

	"nightshift/models/internal/strictjson"
)

// Header limits. A file from a stranger that claims a larger header is refused before anything is allocated.
const (
	MaxAdapterHeader    = 1 << 20
	MaxCheckpointHeader = 100 << 20
)

// Entry describes one tensor of a file.
type Entry struct {
	Name   string
	Type   DType
	Shape  []int64
	Offset int64 // of the first byte, from the start of the file
	Length int64 // in bytes
}

// Elements is the number of elements, the product of Shape.
func (e Entry) Elements() int64 { return e.Length / e.Type.Size() }

// readHeader reads and checks the header of a file of size bytes. Entries come back in the order of their data.
func readHeader(r io.ReaderAt, size, maxHeader int64) ([]Entry, map[string]string, error) {
	var prefix [8]byte
	if size < 8 {
		return nil, nil, fmt.Errorf("the file has %d bytes, too few for a header: it is truncated", size)
	}
	if _, err := r.ReadAt(prefix[:], 0); err != nil {
		return nil, nil, fmt.Errorf("read header length: %w", err)
	}
	n := binary.LittleEndian.Uint64(prefix[:])
	if n > uint64(maxHeader) {
		return nil, nil, fmt.Errorf("the header claims %d bytes, the limit is %d: this is no safetensors file, or not one to trust", n, maxHeader)
	}
	if int64(n) > size-8 {
		return nil, nil, fmt.Errorf("the header claims %d bytes, the file has %d: it is truncated", n, size)
	}
	text := make([]byte, n)
	if _, err := r.ReadAt(text, 8); err != nil && !(err == io.EOF && int64(n) == size-8) {
		return nil, nil, fmt.Errorf("read header: %w", err)
	}
	if n == 0 || text[0] != '{' {
		return nil, nil, fmt.Errorf("the header does not begin with a brace: this is no safetensors file")
	}
	entries, meta, err := parseHeader(text)
	if err != nil {
		return nil, nil, err
	}
	start := 8 + int64(n)
	return entries, meta, place(entries, start, size)
}

// parseHeader reads the JSON; offsets are still relative to the end of the header.
func parseHeader(text []byte) ([]Entry, map[string]string, error) {
	members, err := strictjson.Members(text)
	if err != nil {
		return nil, nil, fmt.Errorf("header: %w", err)
	}
	var entries []Entry
	var meta map[string]string
	for _, m := range members {
		if m.Key == "__metadata__" {
			if meta, err = parseMetadata(m.Value); err != nil {
				return nil, nil, err
			}
			continue
		}
		e, err := parseEntry(m.Key, m.Value)
		if err != nil {
			return nil, nil, fmt.Errorf("tensor %q: %w", m.Key, err)
		}
		entries = append(entries, e)
	}
	return entries, meta, nil
}

func parseMetadata(raw json.RawMessage) (map[string]string, error) {
	members, err := strictjson.Members(raw)
	if err != nil {
		return nil, fmt.Errorf("__metadata__: %w", err)
	}
	meta := make(map[string]string, len(members))
	for _, m := range members {
		if len(m.Value) == 0 || m.Value[0] != '"' {
			return nil, fmt.Errorf("__metadata__: the value of %q is not a string", m.Key)
		}
		var s string
		if err := json.Unmarshal(m.Value, &s); err != nil {
			return nil, fmt.Errorf("__metadata__: %q: %w", m.Key, err)
		}
		meta[m.Key] = s
	}
	return meta, nil
}

func parseEntry(name string, raw json.RawMessage) (Entry, error) {
	e := Entry{Name: name}
	members, err := strictjson.Members(raw)
	if err != nil {
		return e, err
	}
	var offsets []int64
	found := 0
	for _, m := range members {
		switch m.Key {
		case "dtype":
			var s string
			if err := json.Unmarshal(m.Value, &s); err != nil {
				return e, fmt.Errorf("dtype: %w", err)
			}
			e.Type = DType(s)
			if e.Type.Size() == 0 {
				return e, fmt.Errorf("unknown dtype %q", s)
			}
		case "shape":
			if e.Shape, err = parseSizes(m.Value); err != nil {
				return e, fmt.Errorf("shape: %w", err)
			}
		case "data_offsets":
			if offsets, err = parseSizes(m.Value); err != nil {
				return e, fmt.Errorf("data_offsets: %w", err)
			}
			if len(offsets) != 2 || offsets[0] > offsets[1] {
				return e, fmt.Errorf("data_offsets %v are not a begin and an end", offsets)
			}
		default:
			return e, fmt.Errorf("unknown key %q", m.Key)
		}
		found++
	}
	if found != 3 {
		return e, fmt.Errorf("dtype, shape and data_offsets are needed, the entry has %d of them", found)
	}
	e.Offset, e.Length = offsets[0], offsets[1]-offsets[0]
	bytes := e.Type.Size()
	for _, d := range e.Shape {
		if d != 0 && bytes > math.MaxInt64/d {
			return e, fmt.Errorf("shape %v is too large", e.Shape)
		}
		bytes *= d
	}
	if bytes != e.Length {
		return e, fmt.Errorf("shape %v of %s needs %d bytes, data_offsets give %d", e.Shape, e.Type, bytes, e.Length)
	}
	return e, nil
}

// parseSizes reads a list of plain non-negative integers; 1.0, 1e3, -0 and null are refused.
func parseSizes(raw json.RawMessage) ([]int64, error) {
	var numbers []json.RawMessage
	if err := json.Unmarshal(raw, &numbers); err != nil {
		return nil, err
	}
	if numbers == nil {
		return nil, fmt.Errorf("null is not a list")
	}
	sizes := make([]int64, len(numbers))
	for i, n := range numbers {
		v, err := strconv.ParseUint(string(n), 10, 63)
		if err != nil {
			return nil, fmt.Errorf("%s is not a size", n)
		}
		sizes[i] = int64(v)
	}
	return sizes, nil
}

// place sorts entries by offset, checks that they cover the data exactly once, and makes the offsets absolute.
func place(entries []Entry, start, size int64) error {
	sort.SliceStable(entries, func(i, j int) bool {
		a, b := entries[i], entries[j]
		if a.Offset != b.Offset {
			return a.Offset < b.Offset
		}
		return a.Length < b.Length
	})
	at := int64(0)
	for i := range entries {
		e := &entries[i]
		switch {
		case e.Offset < at:
			return fmt.Errorf("tensor %q begins at %d and overlaps %q, which ends at %d", e.Name, e.Offset, entries[i-1].Name, at)
		case e.Offset > at:
			return fmt.Errorf("%d bytes before tensor %q belong to no tensor", e.Offset-at, e.Name)
		}
		at += e.Length
		e.Offset += start
		if at > size-start {
			return fmt.Errorf("tensor %q ends at byte %d, the file has %d: it is truncated", e.Name, start+at, size)
		}
	}
	if start+at != size {
		return fmt.Errorf("%d bytes after the last tensor belong to no tensor", size-start-at)
	}
	return nil
}

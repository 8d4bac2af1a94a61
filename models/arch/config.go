package arch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"nightshift/models/internal/strictjson"
)

// refused lists settings that change the computation in ways no graph has, with the values that are harmless.
var refused = []struct {
	key      string
	harmless []string
	why      string
}{
	{"add_cross_attention", []string{"false"}, "cross-attention is not supported"},
	{"is_encoder_decoder", []string{"false"}, "only decoders are supported"},
	{"pruned_heads", []string{"{}", "[]"}, "pruned heads are not supported"},
	{"quantization_config", nil, "quantised checkpoints are not read; save the model in float32, float16 or bfloat16"},
	{"auto_map", []string{"{}"}, "the model brings Python code of its own, which is never run"},
}

// Parse reads a config.json. Absent settings take the defaults of transformers, except the sizes, which must be given.
func Parse(data []byte) (Shape, error) {
	object, err := strictjson.Object(data)
	if err != nil {
		return Shape{}, err
	}
	s := &settings{object: object}
	s.get("model_type", &s.model)
	if s.err != nil {
		return Shape{}, s.err
	}
	f := familyOf(s.model)
	if f == &none {
		return Shape{}, unknown(s.model)
	}
	for _, r := range refused {
		raw, ok := object[r.key]
		if ok && string(raw) != "null" && !slices.Contains(r.harmless, compact(raw)) {
			return Shape{}, fmt.Errorf("%s is %s: %s", r.key, compact(raw), r.why)
		}
	}
	shape := f.parse(s)
	if s.err != nil {
		return Shape{}, s.err
	}
	return shape, f.check(shape)
}

// Encode writes the config.json that transformers and Parse read, one setting a line, keys sorted.
func (s Shape) Encode() ([]byte, error) {
	data, err := json.MarshalIndent(s.family().config(s), "", "  ")
	return append(data, '\n'), err
}

// settings reads typed values out of a JSON object and keeps the first error.
type settings struct {
	object map[string]json.RawMessage
	model  string // model_type
	err    error
}

// get fills dst from key and reports whether it was there; null counts as absent, as in transformers.
func (c *settings) get(key string, dst any) bool {
	raw, ok := c.object[key]
	if !ok || string(raw) == "null" || c.err != nil {
		return false
	}
	if err := json.Unmarshal(raw, dst); err != nil {
		c.err = fmt.Errorf("%s is %s: %w", key, compact(raw), err)
		return false
	}
	return true
}

// need is get of a key that must be there.
func (c *settings) need(key string, dst any) {
	if !c.get(key, dst) && c.err == nil {
		c.err = fmt.Errorf("%s is missing", key)
	}
}

// token reads the first id of a special token, −1 for none.
func (c *settings) token(key string, vocab int) int {
	ids, err := TokenIDs(c.object[key], vocab)
	if err != nil && c.err == nil {
		c.err = fmt.Errorf("%s: %w", key, err)
	}
	if len(ids) == 0 {
		return -1
	}
	return ids[0]
}

// TokenIDs reads what config.json and generation_config.json say of a special token: an id, a list of ids, or null for none.
// transformers writes the ids of the 50,257-token vocabulary into the configs of smaller models, and -1 for none; an id that
// cannot be generated is the same as none.
func TokenIDs(raw json.RawMessage, vocab int) ([]int, error) {
	var ids []int
	var one int
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return nil, nil
	case json.Unmarshal(raw, &one) == nil:
		ids = []int{one}
	default:
		var list []*int
		if json.Unmarshal(raw, &list) != nil || slices.Contains(list, nil) {
			return nil, fmt.Errorf("it is %s, want the id of a token, a list of ids, or null", compact(raw))
		}
		for _, id := range list {
			ids = append(ids, *id)
		}
	}
	return slices.DeleteFunc(ids, func(id int) bool { return id < 0 || id >= vocab }), nil
}

func compact(raw json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return string(raw)
	}
	return b.String()
}

package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"nightshift/models/internal/strictjson"
)

// tokenIDs reads what config.json and generation_config.json say of a special token: an id, a list of ids, or null for none.
// transformers writes the ids of the 50,257-token vocabulary into the configs of smaller models, and -1 for none; an id that
// cannot be generated is the same as none.
func tokenIDs(raw json.RawMessage, vocab int) ([]int, error) {
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

// readEnds collects the ids that end a text by what config.json, whose content is given, and generation_config.json say,
// ascending. transformers' generate() goes by the latter file where it is there; a checkpoint means both.
func readEnds(dir string, config []byte, vocab int) ([]int32, error) {
	ends, err := endsOf(config, vocab)
	if err != nil {
		return nil, fmt.Errorf("read config.json: %w", err)
	}
	const name = "generation_config.json"
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err == nil {
		var more []int32
		more, err = endsOf(data, vocab)
		ends = append(ends, more...)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read %s: %w; mend the file or remove it", name, err)
	}
	slices.Sort(ends)
	return slices.Compact(ends), nil
}

// endsOf reads eos_token_id of one file.
func endsOf(data []byte, vocab int) ([]int32, error) {
	object, err := strictjson.Object(data)
	if err != nil {
		return nil, err
	}
	ids, err := tokenIDs(object["eos_token_id"], vocab)
	if err != nil {
		return nil, fmt.Errorf("eos_token_id: %w", err)
	}
	ends := make([]int32, len(ids))
	for i, id := range ids {
		ends[i] = int32(id)
	}
	return ends, nil
}

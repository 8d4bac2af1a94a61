package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"nightshift/models/arch"
	"nightshift/models/internal/strictjson"
)

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
	ids, err := arch.TokenIDs(object["eos_token_id"], vocab)
	if err != nil {
		return nil, fmt.Errorf("eos_token_id: %w", err)
	}
	ends := make([]int32, len(ids))
	for i, id := range ids {
		ends[i] = int32(id)
	}
	return ends, nil
}

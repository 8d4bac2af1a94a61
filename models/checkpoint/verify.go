package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"nightshift/internal/atomicfile"
	"nightshift/models/arch"
)

// verify returns the digest of the tensors in found, after checking that every value is finite and that a stored head
// equals the embedding it is tied to. Files already verified, by path, size and time of change, are not read again.
func verify(shape arch.Shape, found map[string]source, cacheDir string) (string, error) {
	key, settled, err := stamp(shape, found)
	if err != nil {
		return "", err
	}
	record := ""
	if cacheDir != "" {
		record = filepath.Join(cacheDir, "checkpoints", "verified", key)
		if digest, err := os.ReadFile(record); err == nil && len(digest) == len("sha256:")+2*sha256.Size {
			return string(digest), nil
		}
	}
	digest, err := scan(shape, found)
	if err != nil {
		return "", err
	}
	if record != "" && settled {
		err := os.MkdirAll(filepath.Dir(record), 0o755)
		if err == nil {
			err = atomicfile.Write(record, []byte(digest), 0o644)
		}
		if err != nil {
			slog.Warn("checkpoint verification is not remembered", "error", err)
		}
	}
	return digest, nil
}

// stamp identifies the state of the files behind found without reading them. settled is false when one changed so
// recently that a further change could carry the same time.
func stamp(shape arch.Shape, found map[string]source) (key string, settled bool, err error) {
	h := sha256.New()
	json.NewEncoder(h).Encode([]any{"nightshift verified 1", shape.Identity()}) //nolint:errcheck // a hash takes all bytes
	files := map[string]bool{}
	for _, s := range found {
		files[s.path] = true
	}
	settled = true
	for _, path := range slices.Sorted(maps.Keys(files)) {
		info, err := os.Stat(path)
		if err != nil {
			return "", false, fmt.Errorf("stat weights: %w", err)
		}
		json.NewEncoder(h).Encode([]any{path, info.Size(), info.ModTime().UnixNano()}) //nolint:errcheck // a hash takes all bytes
		settled = settled && time.Since(info.ModTime()) > 2*time.Second
	}
	return hex.EncodeToString(h.Sum(nil)), settled, nil
}

// scan reads every value. The digest covers the configuration without its token ids, then for each tensor in canonical
// order its name, shape and little-endian float32 values; of one that files keep in pieces, those of each piece.
func scan(shape arch.Shape, found map[string]source) (string, error) {
	h := sha256.New()
	identity := shape
	identity.EOS, identity.BOS = 0, 0
	json.NewEncoder(h).Encode([]any{"nightshift checkpoint 1", identity.Identity()}) //nolint:errcheck // a hash takes all bytes
	for _, whole := range shape.Tensors() {
		for _, t := range whole.Files() {
			json.NewEncoder(h).Encode([]any{t.Name, t.Dims}) //nolint:errcheck // a hash takes all bytes
			if err := sum(h, t.Name, found[t.Name]); err != nil {
				return "", err
			}
		}
	}
	if stored, ok := found[arch.HeadWeight]; ok && shape.TiedHead {
		if err := sameHead(stored, found[shape.Embedding()]); err != nil {
			return "", err
		}
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), nil
}

// sum adds the values of a tensor to a hash.
func sum(h io.Writer, name string, from source) error {
	var raw []byte
	at := 0
	return from.chunks(func(values []float32) error {
		raw = raw[:0]
		for i, v := range values {
			u := math.Float32bits(v)
			if u&0x7f800000 == 0x7f800000 {
				return fmt.Errorf("tensor %s holds %v at index %d; every weight must be finite", name, v, at+i)
			}
			raw = binary.LittleEndian.AppendUint32(raw, u)
		}
		at += len(values)
		_, err := h.Write(raw)
		return err
	})
}

var errHead = errors.New("lm_head.weight differs from the token embedding, though config.json ties them: set tie_word_embeddings to false if the head is meant to be its own")

// sameHead compares a stored head with the embedding, value by value.
func sameHead(stored, embedding source) error {
	a, b := sha256.New(), sha256.New()
	for _, side := range []struct {
		s source
		h interface{ Write([]byte) (int, error) }
	}{{stored, a}, {embedding, b}} {
		var raw []byte
		err := side.s.chunks(func(values []float32) error {
			raw = raw[:0]
			for _, v := range values {
				raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
			}
			side.h.Write(raw) //nolint:errcheck // a hash takes all bytes
			return nil
		})
		if err != nil {
			return err
		}
	}
	if !bytes.Equal(a.Sum(nil), b.Sum(nil)) {
		return errHead
	}
	return nil
}

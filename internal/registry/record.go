package registry

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

const (
	format     = 1
	recordSize = 16 << 20 // bytes; self-tests make manifests the largest records
)

// envelope is what a record file holds: the record and the sha256 of its bytes as they stand in the file.
type envelope struct {
	Format int             `json:"format"`
	SHA256 string          `json:"sha256"`
	Record json.RawMessage `json:"record"`
}

func encodeRecord(v any) ([]byte, error) {
	record, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "{\"format\": %d, \"sha256\": %q, \"record\": %s}\n", format, sum(record), record), nil
}

// readRecord reads a file that encodeRecord wrote. A missing file wraps ErrNotFound, any damage wraps ErrCorrupt.
func readRecord(path string, v any) error {
	data, err := readFile(path, recordSize)
	if err != nil {
		return err
	}
	var e envelope
	if err := decodeStrict(data, &e); err != nil {
		return fmt.Errorf("read %s: %w: %w", path, err, ErrCorrupt)
	}
	if e.Format != format {
		return fmt.Errorf("read %s: format %d, this program knows format %d: %w", path, e.Format, format, ErrCorrupt)
	}
	if got := sum(e.Record); got != e.SHA256 {
		return fmt.Errorf("read %s: sha256 of the record is %s, the file says %s: %w", path, got, e.SHA256, ErrCorrupt)
	}
	if err := decodeStrict(e.Record, v); err != nil {
		return fmt.Errorf("read %s: %w: %w", path, err, ErrCorrupt)
	}
	return nil
}

func decodeStrict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more data after the end")
	}
	return nil
}

// readFile reads at most limit bytes; more is damage.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read %s: %w", path, ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("read %s: %d bytes, want at most %d: %w", path, info.Size(), limit, ErrCorrupt)
	}
	data := make([]byte, info.Size())
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return data, nil
}

func sum(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}

package replaystore

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"nightshift/internal/atomicfile"
)

// SecretSize is the length of a store's secret in bytes.
const SecretSize = 32

// LoadSecret reads a store's secret from a file (hexadecimal, readable by its owner only), or makes the file: with the
// given secret, or when that is nil with a random one.
func LoadSecret(name string, given []byte) ([]byte, error) {
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return writeSecret(name, given)
	}
	if err != nil {
		return nil, fmt.Errorf("read store secret: %w", err)
	}
	secret, err := hex.DecodeString(strings.TrimSpace(string(data)))
	if err != nil || len(secret) != SecretSize {
		return nil, fmt.Errorf("read store secret %s: it is not %d bytes in hexadecimal; restore it from a backup", name, SecretSize)
	}
	return secret, nil
}

// writeSecret makes the file, so that there is never half a secret.
func writeSecret(name string, secret []byte) ([]byte, error) {
	if secret == nil {
		secret = make([]byte, SecretSize)
		rand.Read(secret)
	}
	if err := atomicfile.Write(name, []byte(hex.EncodeToString(secret)+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("write store secret: %w", err)
	}
	return secret, nil
}

package redisstore

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"nightshift/internal/atomicfile"
	"nightshift/replaystore"
)

// state is what a shipper remembers between runs. Losing it costs sending the journal again.
type state struct {
	Server   string    `json:"server"`
	Shipped  uint64    `json:"shipped"`  // sequence number
	Identity string    `json:"identity"` // of the Redis it was shipped to
	Contact  time.Time `json:"contact"`  // when that Redis was last known to have everything shipped
}

// stateName is the name of the file beside the journal that holds the state.
const stateName = "shipped.json"

func stateFile(dir string) string { return filepath.Join(dir, stateName) }

// loadState reads the state. Nobody writes it in the meantime.
func loadState(dir, server string) (state, error) {
	var st state
	atomicfile.Sweep(dir, stateName, 0)
	data, err := os.ReadFile(stateFile(dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return st, fmt.Errorf("read shipped position: %w", err)
	}
	if json.Unmarshal(data, &st) != nil { // missing or torn: everything is sent again
		st = state{}
	}
	if server != "" {
		st.Server = server
	}
	if st.Server == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "server"
		}
		id := replaystore.NewID()
		st.Server = host + "-" + id[len(id)-8:]
	}
	return st, nil
}

// save does not wait for the disk: an older state is as good.
func (st state) save(dir string) error {
	data, err := json.Marshal(st)
	if err != nil {
		return fmt.Errorf("write shipped position: %w", err)
	}
	if err := atomicfile.Replace(stateFile(dir), data, 0o600); err != nil {
		return fmt.Errorf("write shipped position: %w", err)
	}
	return nil
}

func decodeSecret(text string) ([]byte, error) {
	secret, err := hex.DecodeString(text)
	if err != nil || len(secret) != replaystore.SecretSize {
		return nil, fmt.Errorf("%w: its store secret is damaged", ErrRefused)
	}
	return secret, nil
}

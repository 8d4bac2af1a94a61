package app

import (
	"encoding/json"
	"os"
	"path/filepath"
	"syscall"

	"nightshift/internal/atomicfile"
)

// Address is how other commands find the server that uses a data directory.
type Address struct {
	URL string `json:"url"`
	PID int    `json:"pid"`

	Key string `json:"-"` // where the server was started for its caller alone; "" takes that of NIGHTSHIFT_ADMIN_KEY
}

// AddressFile is the name of that file in the data directory.
func AddressFile(c Config) string { return filepath.Join(c.Data, "address.json") }

// Write replaces the file in one step: whoever reads it finds all of it.
func (a Address) Write(file string) error {
	data, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return atomicfile.Write(file, data, 0o600)
}

// RunningServer finds the server that uses the data directory, by the address that it left there.
func RunningServer(c Config) (Address, bool) {
	data, err := os.ReadFile(AddressFile(c))
	var at Address
	if err != nil || json.Unmarshal(data, &at) != nil || at.PID <= 0 {
		return at, false
	}
	return at, syscall.Kill(at.PID, 0) == nil
}

package update

import (
	"errors"

	"nightshift/update/history"
	"nightshift/update/selection"
)

// setAside writes down what the night does not use, and why.
func (n *night) setAside(c chosen) error {
	data, err := selection.EncodeItems(c.quarantined)
	if err != nil {
		return err
	}
	return errors.Join(n.u.deps.Registry.WriteNightFile(n.req.Night, history.QuarantineFile, data), n.u.history.Write(n.req.Night, history.ReasonsFile, c.reasons))
}

package night

import (
	"errors"
	"fmt"

	"nightshift/internal/registry"
	"nightshift/models/adapter"
	"nightshift/update/work"
)

// earlierFile is the champion's importances within a night's directory.
const earlierFile = "earlier_importances.safetensors"

// importances puts what the champion's night left behind into this night's directory and returns the file's name, "" where
// there is nothing or no method asks for it. It is found by the champion, so that a rollback goes back to the importances of the
// version that it goes back to. Importances begin anew after a version that was imported, or whose night carried none.
func (n *night) importances() (string, error) {
	if !n.train.Methods.Carries() || n.frozen.Champion.Digest == "" {
		return "", nil
	}
	m, err := n.nights.deps.Registry.Version(n.frozen.Champion.Digest)
	if err != nil {
		return "", fmt.Errorf("find importances: %w", err)
	}
	var data []byte
	if m.Night != "" {
		if data, err = n.nights.deps.Registry.ReadNight(m.Night, work.ImportancesFile); err != nil && !errors.Is(err, registry.ErrNotFound) {
			return "", err
		}
	}
	if data == nil {
		n.log.say("the champion has no importances yet; they begin with this night")
		return "", nil
	}
	return earlierFile, n.nights.deps.Registry.WriteNightFile(n.req.Night, earlierFile, data)
}

// earlierFast is the directory of the fast learner that a night goes on from.
const earlierFast = "earlier_fast"

// fast puts the fast learner that the champion's night left behind into this night's directory and returns its name, "" where no
// method asks for one, and where there is none: then the champion is both learners. It is found like importances. There is a champion.
func (n *night) fast() (string, error) {
	if n.train.Methods.Slow == 0 {
		return "", nil
	}
	m, err := n.nights.deps.Registry.Version(n.frozen.Champion.Digest)
	if err != nil {
		return "", fmt.Errorf("find the fast learner: %w", err)
	}
	if m.Night != "" {
		config, weights, err := n.nights.nightAdapter(m.Night, work.FastDir)
		var a *adapter.Adapter
		if err == nil {
			a, err = adapter.Parse(config, weights)
		}
		switch {
		case err == nil && sameShape(n.train, a.Config):
			return earlierFast, n.putAdapter(earlierFast, config, weights)
		case err != nil && !errors.Is(err, registry.ErrNotFound):
			return "", fmt.Errorf("read the fast learner of night %s: %w", m.Night, err)
		}
	}
	n.log.say("the champion has no fast learner yet; it begins as the champion")
	return "", nil
}

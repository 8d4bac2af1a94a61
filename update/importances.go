package update

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

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
	m, err := n.u.deps.Registry.Version(n.frozen.Champion.Digest)
	if err != nil {
		return "", fmt.Errorf("find importances: %w", err)
	}
	var data []byte
	if m.Night != "" {
		dir, err := n.u.deps.Registry.NightDir(m.Night)
		if err != nil {
			return "", fmt.Errorf("find importances: %w", err)
		}
		if data, err = os.ReadFile(filepath.Join(dir, work.ImportancesFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("read importances of night %s: %w", m.Night, err)
		}
	}
	if data == nil {
		n.log.say("the champion has no importances yet; they begin with this night")
		return "", nil
	}
	if err := os.WriteFile(filepath.Join(n.dir, earlierFile), data, 0o644); err != nil {
		return "", fmt.Errorf("write importances: %w", err)
	}
	return earlierFile, nil
}

// earlierFast is the directory of the fast learner that a night goes on from.
const earlierFast = "earlier_fast"

// fast puts the fast learner that the champion's night left behind into this night's directory and returns its name, "" where no
// method asks for one, and where there is none: then the champion is both learners. It is found like importances. There is a champion.
func (n *night) fast() (string, error) {
	if n.train.Methods.Slow == 0 {
		return "", nil
	}
	m, err := n.u.deps.Registry.Version(n.frozen.Champion.Digest)
	if err != nil {
		return "", fmt.Errorf("find the fast learner: %w", err)
	}
	if m.Night != "" {
		dir, err := n.u.deps.Registry.NightDir(m.Night)
		if err != nil {
			return "", fmt.Errorf("find the fast learner: %w", err)
		}
		switch a, err := adapter.Read(filepath.Join(dir, work.FastDir)); {
		case err == nil && sameShape(n.train, a.Config):
			return earlierFast, a.Write(filepath.Join(n.dir, earlierFast))
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("read the fast learner of night %s: %w", m.Night, err)
		}
	}
	n.log.say("the champion has no fast learner yet; it begins as the champion")
	return "", nil
}

package night

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"nightshift/models/adapter"
	"nightshift/models/arch"
	"nightshift/update/work"
)

// adopt gives the candidate the shape of the champion that it goes on from: factors of another rank, scale or place could
// not begin as the champion. Only without a champion do the settings decide. An orthogonal block stands beside the champion's
// factors, and its rank is the settings'.
func (n *night) adopt() error {
	digest := n.frozen.Champion.Digest
	if digest == "" {
		return nil
	}
	config, weights, _, err := n.nights.deps.Registry.Load(digest)
	if err != nil {
		return fmt.Errorf("load champion: %w", err)
	}
	champion, err := adapter.Parse(config, weights)
	if err != nil {
		return fmt.Errorf("load champion: %w", err)
	}
	c, t := champion.Config, &n.train
	if t.Methods.Orthogonal > 0 {
		c = c.Ranked(t.Rank) // of the block beside the champion
	}
	t.Targets = nil
	if !champion.Regular() {
		t.Targets = champion.Targets()
	} else if sameShape(*t, c) {
		return nil
	}
	n.log.say(fmt.Sprintf("the candidate takes over the champion's shape, %s; the settings, %s, decide once there is no champion",
		shape(c, t.Targets), shape(adapter.Config{Rank: t.Rank, Alpha: t.Alpha, RSLoRA: t.RSLoRA, Modules: t.Modules, Layers: t.Layers}, nil)))
	t.Rank, t.Alpha, t.RSLoRA, t.Modules, t.Layers = c.Rank, c.Alpha, c.RSLoRA, c.Modules, c.Layers
	return nil
}

// sameShape says whether the settings ask for the shape of an adapter. The order of the modules is none of it.
func sameShape(t work.Train, c adapter.Config) bool {
	own := adapter.Config{Rank: t.Rank, Alpha: t.Alpha, RSLoRA: t.RSLoRA}
	return t.Rank == c.Rank && math.Abs(own.Scale()-c.Scale()) <= 1e-9 && slices.Equal(t.Layers, c.Layers) &&
		slices.Equal(slices.Sorted(slices.Values(t.Modules)), slices.Sorted(slices.Values(c.Modules)))
}

// shape describes an adapter's shape. Targets are its linears where they are not all that its modules and layers say.
func shape(c adapter.Config, targets []arch.Target) string {
	text := fmt.Sprintf("rank %d and scale %.4g in %s", c.Rank, c.Scale(), strings.Join(c.Modules, ", "))
	if targets != nil {
		return fmt.Sprintf("rank %d and scale %.4g in %d linears: %v", c.Rank, c.Scale(), len(targets), targets)
	}
	if c.Layers != nil {
		text += fmt.Sprintf(" of layers %v", c.Layers)
	}
	return text
}

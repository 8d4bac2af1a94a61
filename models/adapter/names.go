package adapter

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"nightshift/models/arch"
)

// scheme is how a file names the linears of a model: as PEFT does in a family, under that family's root or, where the bare
// transformer was adapted, under none.
type scheme struct {
	*arch.Naming
	root string
}

// path is the name of a target within the model.
func (s scheme) path(t arch.Target) string { return s.Path(s.root, t) }

// grammar is what names of a family look like.
type grammar struct {
	naming *arch.Naming
	factor *regexp.Regexp // a tensor: the path that PEFT's wrappers add, the model's, the target, the factor
	linear *regexp.Regexp // a module with its layer's number
}

var grammars = func() (list []grammar) {
	for _, n := range arch.Namings() {
		var modules []string
		for _, m := range n.Modules {
			modules = append(modules, regexp.QuoteMeta(m))
		}
		root, layers := regexp.QuoteMeta(n.Root), regexp.QuoteMeta(n.List+".")
		module := `(0|[1-9]\d{0,3})\.(` + strings.Join(modules, "|") + `)`
		list = append(list, grammar{n, regexp.MustCompile(`^base_model\.model\.(` + root + `)?` + layers + module + `\.lora_([AB])\.weight$`),
			regexp.MustCompile(`^(` + root + `)?(` + layers + `)?` + module + `$`)})
	}
	return list
}()

// splitName takes a tensor's name apart: its linear, "A" or "B", and the scheme that names it so.
func splitName(name string) (t arch.Target, factor string, by scheme, err error) {
	for _, g := range grammars {
		m := g.factor.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		layer, err := strconv.Atoi(m[2])
		if err != nil || layer >= arch.MaxLayers {
			return t, "", by, fmt.Errorf("tensor %s: layer %s is out of range", name, m[2])
		}
		return arch.Target{Layer: layer, Module: m[3]}, m[4], scheme{g.naming, m[1]}, nil
	}
	return t, "", by, fmt.Errorf("tensor %s is not a LoRA factor of %v", name, arch.Modules())
}

// reaches reports whether a name in a list can match a linear layer of the family at all.
func (s scheme) reaches(name string) bool {
	for _, m := range s.Modules {
		if m == name || strings.HasSuffix(m, "."+name) {
			return true
		}
	}
	return slices.ContainsFunc(grammars, func(g grammar) bool { return g.naming == s.Naming && g.linear.MatchString(name) })
}

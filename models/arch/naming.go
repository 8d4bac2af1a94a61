package arch

import (
	"fmt"
	"slices"
)

// Naming is how PEFT names the linears of a family, {Root}{List}.{layer}.{module}.
type Naming struct {
	Title string // of the family, for people
	Root  string // what stands before the layers, with its dot; a file of the bare transformer leaves it out
	List  string // the list of layers
	// Modules are the linears of a layer in canonical order.
	Modules []string
	// FanInFanOut is what PEFT is told of a weight that is stored as [in, out].
	FanInFanOut bool
}

// Path is the name of a target under a root, n.Root or "".
func (n *Naming) Path(root string, t Target) string {
	return fmt.Sprintf("%s%s.%d.%s", root, n.List, t.Layer, t.Module)
}

// Namings lists how PEFT names the linears of every family.
func Namings() []*Naming {
	var list []*Naming
	for _, f := range families {
		list = append(list, &f.naming)
	}
	return list
}

// NamingOf finds the family that has a module; nil for none.
func NamingOf(module string) *Naming {
	for _, n := range Namings() {
		if slices.Contains(n.Modules, module) {
			return n
		}
	}
	return nil
}

// modules are those of all families. No two have one of the same name.
var modules = func() (all []string) {
	for _, f := range families {
		all = append(all, f.naming.Modules...)
	}
	return all
}()

// Modules lists the modules that adapters may change, of all families, each's in canonical order. The caller must not change it.
func Modules() []string { return modules }

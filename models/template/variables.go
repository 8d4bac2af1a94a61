package template

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// VariableError refuses a variable that a request gives to a template.
type VariableError struct{ Name, Reason string }

func (e *VariableError) Error() string { return fmt.Sprintf("the variable %s %s", e.Name, e.Reason) }

// reserved are names that a template gets from the server.
var reserved = []string{"messages", "add_generation_prompt", "tools", "documents", "strftime_now", "raise_exception", "range", "namespace", "dict"}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

// With is the template with variables of a request beside the messages: nil, bool, int, float64, string, []any and
// map[string]any. The error is a *VariableError. What the template writes of them is its own text, so that the caller must see to it that no
// string in them can become a special token.
func (t *Template) With(variables map[string]any) (*Template, error) {
	if len(variables) == 0 {
		return t, nil
	}
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		switch {
		case !identifier.MatchString(name):
			return nil, &VariableError{name, "has a name that no template can use: letters, digits and _ are allowed"}
		case slices.Contains(reserved, name) || strings.HasSuffix(name, "_token"):
			return nil, &VariableError{name, "is the server's own"}
		}
		if _, err := json.Marshal(variables[name]); err != nil {
			return nil, &VariableError{name, "has a number that is too large"}
		}
	}
	with := *t
	with.variables = make(map[string]any, len(variables))
	for name, v := range variables {
		with.variables[name] = seen(v)
	}
	return &with, nil
}

// seen is a value as templates see it.
func seen(v any) any {
	switch v := v.(type) {
	case []any:
		items := make(list, len(v))
		for i, item := range v {
			items[i] = seen(item)
		}
		return items
	case map[string]any:
		all := make(map[string]any, len(v))
		for key, item := range v {
			all[key] = seen(item)
		}
		return all
	}
	return v
}

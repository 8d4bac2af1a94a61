package template

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"nightshift/models/template/jinja"
)

// VariableError refuses a variable that a request gives to a template.
type VariableError struct{ Name, Reason string }

func (e *VariableError) Error() string { return fmt.Sprintf("the variable %s %s", e.Name, e.Reason) }

// reserved are names that a template gets from the server.
var reserved = []string{"messages", "add_generation_prompt", "tools", "documents", "strftime_now", "raise_exception", "range", "namespace", "dict"}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

// With is the template with variables of a request beside the messages: nil, bool, int, int64, float64, json.Number,
// string, []any, map[string]any (whose names come sorted) and json.RawMessage (whose names keep their order). Their texts
// are a user's: they never become special tokens. The error is a *VariableError.
func (t *Template) With(variables map[string]any) (*Template, error) {
	if len(variables) == 0 {
		return t, nil
	}
	with := *t
	with.variables = make(map[string]jinja.Value, len(variables))
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		switch {
		case !identifier.MatchString(name):
			return nil, &VariableError{name, "has a name that no template can use: letters, digits and _ are allowed"}
		case slices.Contains(reserved, name) || strings.HasSuffix(name, "_token"):
			return nil, &VariableError{name, "is the server's own"}
		}
		made, err := jinja.From(variables[name])
		if err != nil {
			return nil, &VariableError{name, "cannot be given to a template: " + err.Error()}
		}
		with.variables[name] = made
	}
	data, err := json.Marshal(variables)
	with.given = string(data)
	return &with, err
}

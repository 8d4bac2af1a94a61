package config_test

import (
	"reflect"
	"testing"

	"nightshift/internal/app"
	"nightshift/internal/config"
)

// TestTags finds what is wrong with the tags of the program's configuration, and two keys of one variable.
func TestTags(t *testing.T) {
	for _, bad := range config.BadTags(reflect.TypeFor[app.Config]()) {
		t.Error(bad)
	}
	seen := map[string]string{}
	for _, k := range config.Keys(app.Defaults()) {
		name := config.Variable(k.Name)
		if other := seen[name]; other != "" {
			t.Errorf("%s and %s are both %s", k.Name, other, name)
		}
		seen[name] = k.Name
	}
}

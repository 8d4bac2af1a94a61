package jinja

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// FuzzRender: whatever a template and a content are, parsing and rendering end, with an error or with parts that differ in
// their origin, and what the template does not touch comes out as it went in.
func FuzzRender(f *testing.F) {
	for _, source := range []string{
		"", "a", "{{ x }}", "{{ x[1:-1] | upper ~ 1 }}", "{% for c in x %}{{ loop.index }}{{ c }}{% else %}-{% endfor %}", "{% if x is string and x > 'a' %}{{ '%5s' % x }}{% endif %}",
		"{% macro f(a, b=1) %}{{ a * b }}{% endmacro %}{{ f(x, 2) }}", "{%- set ns = namespace(a=x) -%}{% set ns.a = ns.a + 'b' %}{{ ns.a | tojson }}", "{% raw %}{{{% endraw %}{#- c -#}",
		"{{ {'a': [x, none, 1.5]} }}{{ range(3) | map('string') | join(x) }}", "{{ '{:>8}|{!r}'.format(x, x) }}", "{{ x.split() | batch(2) | list }}", "{{ x | indent(2, true) }}", "{{ -x }}",
		"{% call(a) f() %}{% endcall %}", "{% filter upper %}{{ x }}{% endfilter %}", "{% generation %}{{ x }}{% endgeneration %}", "{% set a %}{{ x }}{% endset %}{{ a == x }}", "{{ 2 ** 63 // -1 % 0.0 }}",
	} {
		f.Add(source, "<|end|> Hi\n")
	}
	limits := Limits{Steps: 20_000, Time: time.Minute, Bytes: 1 << 16, Total: 1 << 20, Depth: 20}
	f.Fuzz(func(t *testing.T, source, content string) {
		tm, err := Parse(source)
		var parsing *Error
		if err != nil {
			if !errors.As(err, &parsing) {
				t.Errorf("%v is no *Error", err)
			}
			return
		}
		parts, err := tm.Render(Run{Variables: map[string]Value{"x": User(content)}, Limits: limits})
		if err != nil {
			return
		}
		size := 0
		for i, p := range parts {
			if size += len(p.Text); p.Text == "" || i > 0 && p.User == parts[i-1].User {
				t.Errorf("part %d of %v", i, parts)
			}
		}
		if size > limits.Bytes {
			t.Errorf("%d bytes", size)
		}
		if strings.Contains(content, "\u2603") || strings.Contains(source, "\u2603") || strings.Contains(source, `\`) {
			return
		}
		parts, err = tm.Render(Run{Variables: map[string]Value{"x": User(strings.Repeat("\u2603", len(content)))}, Limits: limits})
		for _, p := range parts {
			if err == nil && !p.User && strings.Contains(p.Text, "\u2603") {
				t.Errorf("%q is the template's", p.Text)
			}
		}
	})
}

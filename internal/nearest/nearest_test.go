package nearest

import "testing"

func TestTo(t *testing.T) {
	names := []string{"default", "support", "sales"}
	for name, want := range map[string]string{"defaul": "default", "suppor": "support", "sale": "sales", "default": "default", "nope": "", "": "", "x": ""} {
		if got := To(name, names); got != want {
			t.Errorf("To(%q) is %q, want %q", name, got, want)
		}
	}
}

func TestQuestion(t *testing.T) {
	names := []string{"default", "support"}
	for name, want := range map[string]string{"defaul": ": did you mean default?", "nope": "", "support": ""} {
		if got := Question(name, names); got != want {
			t.Errorf("Question(%q) is %q, want %q", name, got, want)
		}
	}
}

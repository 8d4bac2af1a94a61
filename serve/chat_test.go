package serve_test

import "testing"

func TestChat(t *testing.T) {
	h := open(t, options{})
	a := h.ask("default", "how long may I return a tent?")
	if a.Model != "default@base" || a.Nightshift == nil || !a.Nightshift.Logged {
		t.Fatalf("answer %+v", a)
	}
	t.Logf("%+v", a)
}

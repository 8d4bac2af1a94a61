package api

import "testing"

func TestKeyMatches(t *testing.T) {
	for _, k := range []Key{{Key: "0123456789abcdef"}, {Hash: Hash("0123456789abcdef")}} {
		if !k.Matches("0123456789abcdef") || k.Matches("0123456789abcdeF") || k.Matches("") {
			t.Errorf("%+v matches wrongly", k)
		}
	}
	if (Key{}).Matches("") {
		t.Error("no key matches no key")
	}
}

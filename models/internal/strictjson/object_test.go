package strictjson

import (
	"strings"
	"testing"
)

func TestMembersKeepOrderAndRawValues(t *testing.T) {
	got, err := Members([]byte(` {"b": [1, 2], "a": {"x": null}, "B": 1e3} ` + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, m := range got {
		b.WriteString(m.Key + "=" + string(m.Value) + ";")
	}
	if want := `b=[1, 2];a={"x": null};B=1e3;`; b.String() != want {
		t.Errorf("got %s, want %s", b.String(), want)
	}
}

func TestObjectRefuses(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{``, "unexpected EOF"},
		{`[]`, "not an object"},
		{`{"a":1,"a":2}`, `"a" appears twice`},
		{`{"a":1,"\u0061":2}`, `"a" appears twice`},
		{`{"a":1`, "unexpected EOF"},
		{`{"a":}`, "invalid character"},
		{`{"a":1}x`, "bytes follow"},
		{`{"a":1}{}`, "bytes follow"},
		{"{\"a\xff\":1}", "UTF-8"},
		{`{1:1}`, "invalid character"},
	} {
		if _, err := Object([]byte(tc.in)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("Object(%q): got %v, want an error with %q", tc.in, err, tc.want)
		}
	}
}

package anchors

import (
	"slices"
	"testing"
)

func TestJudge(t *testing.T) {
	var distinct []int32
	for i := range int32(30) {
		distinct = append(distinct, i)
	}
	circle := slices.Concat(distinct[:5], distinct[:5], distinct[:5], distinct[:5])
	for _, c := range []struct {
		text   string
		tokens []int32
		ended  bool
		kept   string
		open   bool
		left   string
	}{
		{"It is Lisbon", distinct, true, "It is Lisbon", false, ""},
		{"It is. And then", distinct, false, "It is.", true, ""},
		{"It costs 3.50 and then", distinct, false, "", false, Cut},
		{`He said "no." Then`, distinct, false, `He said "no."`, true, ""},
		{"It ends here.", distinct, false, "", false, Cut}, // as 3. may go on with 5
		{"中国的首都是北京。它", distinct, false, "中国的首都是北京。", true, ""},
		{"Vegetables:\n\n1. Carrot\n2. Pea\n3. Be", distinct, false, "Vegetables:\n\n1. Carrot\n2. Pea", true, ""},
		{"Vegetables:\n\n1. Car", distinct, false, "", false, Cut},
		{"func add(a, b int) int {\n\treturn a + b\n}", distinct, true, "func add(a, b int) int {\n\treturn a + b\n}", false, ""},
		{"", nil, true, "", false, Empty},
		{" \n.", distinct[:3], true, "", false, Empty},
		{"a a a a a a a a", []int32{1, 2, 2, 2, 2, 2, 2, 2, 2}, true, "", false, Repetitive},
		{"round and round. and round", circle, false, "", false, Repetitive},
		{"Same line\nother\nSame line\nagain\nSame line", distinct, true, "", false, Repetitive},
	} {
		kept, open, left := judge(c.text, c.tokens, c.ended)
		if kept != c.kept || open != c.open || left != c.left {
			t.Errorf("%q: kept %q, open %v, left out because %q; want %q, %v, %q", c.text, kept, open, left, c.kept, c.open, c.left)
		}
	}
}

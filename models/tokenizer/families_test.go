package tokenizer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// families are the tokenizers with goldens that testdata/families.py trained, each with the settings of a family of models.
var families = []string{"smollm2", "llama3", "qwen2", "flags-bytes", "llama2", "scores", "metaspace-first", "metaspace-always", "metaspace-never"}

// goldenLines returns the lines of a golden file.
func goldenLines(t testing.TB, name string) []string {
	t.Helper()
	return strings.Split(strings.TrimSuffix(string(inflate(t, name)), "\n"), "\n")
}

// familyStrings are the texts of the goldens, with their categories.
func familyStrings(t testing.TB) (texts [][2]string) {
	t.Helper()
	for _, line := range goldenLines(t, "families.strings.gz") {
		var text [2]string
		if err := json.Unmarshal([]byte(line), &text); err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
	}
	return texts
}

// loadFamily returns a tokenizer with goldens, its prefix and the lines of its goldens.
func loadFamily(t testing.TB, name string) (tk *Tokenizer, prefix []int32, lines []string) {
	t.Helper()
	lines = goldenLines(t, name+".family.gz")
	tk, err := Load(writeFiles(t, map[string][]byte{"tokenizer.json": []byte(lines[0])}))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if err := json.Unmarshal([]byte(lines[1]), &prefix); err != nil {
		t.Fatal(err)
	}
	return tk, prefix, lines[2:]
}

// newer reports whether a text has a character of newerClasses.
func newer(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool {
		return slices.ContainsFunc(newerClasses, func(n runes) bool { return r >= n.from && r <= n.to })
	})
}

// compareFamily compares a tokenizer with its goldens and returns how many strings were compared, and how many were left out for a
// character of newerClasses.
func compareFamily(t *testing.T, tk *Tokenizer, prefix []int32, lines []string) (compared, left int) {
	if !slices.Equal(tk.Prefix(), prefix) || !tk.Exact() {
		t.Errorf("prefix %d, want %d; exact %t", tk.Prefix(), prefix, tk.Exact())
	}
	wrong := map[string]int{}
	bad := func(category, format string, args ...any) {
		if wrong[category]++; wrong[category] <= 3 {
			t.Errorf(category+": "+format, args...)
		}
	}
	texts := familyStrings(t)
	for i, line := range lines[:len(texts)] {
		category, text := texts[i][0], texts[i][1]
		var plain, special []int32
		var back *string
		if err := json.Unmarshal([]byte(line), &[]any{&plain, &special, &back}); err != nil {
			t.Fatal(err)
		}
		if newer(text) {
			left++
			continue
		}
		if special == nil {
			special = plain
		}
		if back == nil {
			back = &text
		}
		compared++
		if got := tk.EncodeSpecial(nil, text); !slices.Equal(got, special) {
			bad(category, "%q with special tokens is %d, want %d", text, got, special)
		}
		if id, ok := tk.ID(text); ok && tk.IsSpecial(id) && slices.Equal(plain, []int32{id}) {
			if slices.Contains(tk.Encode(nil, text), id) { // the library's ignore_merges makes special tokens of text, and Encode never does
				bad(category, "%q becomes special", text)
			}
			continue
		}
		if got := tk.Encode(nil, text); !slices.Equal(got, plain) {
			bad(category, "%q is %d, want %d", text, got, plain)
		}
		if got := tk.EncodeWhole(nil, text); !slices.Equal(got, slices.Concat(prefix, plain)) {
			bad(category, "%q as a whole is %d", text, got)
		}
		if got := decoded(t, tk, plain); got != *back {
			bad(category, "%d is %q, want %q", plain, got, *back)
		}
	}
	for _, line := range lines[len(texts):] {
		var ids []int32
		var all, plain string
		if err := json.Unmarshal([]byte(line), &[]any{&ids, &all, &plain}); err != nil {
			t.Fatal(err)
		}
		if got := decoded(t, tk, ids); got != all && !strings.Contains(all, "\uFFFD") {
			bad("ids", "%d is %q, want %q", ids, got, all)
		}
		ids = slices.DeleteFunc(ids, tk.IsSpecial)
		if got := decoded(t, tk, ids); got != plain && !strings.Contains(plain, "\uFFFD") {
			bad("ids", "%d without special tokens is %q, want %q", ids, got, plain)
		}
	}
	if len(wrong) > 0 {
		t.Errorf("wrong by category: %v", wrong)
	}
	return compared, left
}

// decoded is the text of ids, which the stream of them must agree with.
func decoded(t *testing.T, tk *Tokenizer, ids []int32) string {
	t.Helper()
	text, err := tk.Decode(nil, ids...)
	if err != nil {
		t.Fatal(err)
	}
	d := tk.NewDecoder()
	var streamed []byte
	for _, id := range ids {
		piece, err := d.Push(id)
		if err != nil {
			t.Fatal(err)
		}
		if streamed = append(streamed, piece...); utf8.Valid(text) && !utf8.Valid(piece) {
			t.Errorf("%d streams a piece %q", ids, piece)
		}
	}
	if streamed = append(streamed, d.Flush()...); !bytes.Equal(streamed, text) {
		t.Errorf("%d is %q and streams as %q", ids, text, streamed)
	}
	return string(text)
}

// Ids and texts are those of the package tokenizers, in every family.
func TestFamilies(t *testing.T) {
	for _, name := range families {
		t.Run(name, func(t *testing.T) {
			tk, prefix, lines := loadFamily(t, name)
			compared, left := compareFamily(t, tk, prefix, lines)
			if compared < 3000 {
				t.Errorf("%d strings compared", compared)
			}
			t.Logf("%d strings compared, %d left out", compared, left)
		})
	}
}

// The same strings with a vocabulary of somebody else: NIGHTSHIFT_FAMILIES is a directory into which families.py wrote them.
func TestFamiliesOfOthers(t *testing.T) {
	dir := os.Getenv("NIGHTSHIFT_FAMILIES")
	if dir == "" {
		t.Skip("NIGHTSHIFT_FAMILIES names no directory; testdata/families.py says how to make one from any tokenizer.json")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.family.gz"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no *.family.gz in %s: %v", dir, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			tk, prefix, lines := loadFamily(t, strings.TrimSuffix(file, ".family.gz"))
			compared, left := compareFamily(t, tk, prefix, lines)
			t.Logf("%d strings compared, %d left out", compared, left)
		})
	}
}

type runes struct{ from, to rune }

// newerClasses are the exceptions: letters and numbers of Unicode 15.1 and 16, which the library knows and Go does not yet.
var newerClasses = []runes{
	{0x1C89, 0x1C8A}, {0xA7CB, 0xA7CD}, {0xA7DA, 0xA7DC}, {0x105C0, 0x105F3}, {0x10D40, 0x10D65}, {0x10D6F, 0x10D85}, {0x10EC2, 0x10EC4},
	{0x11380, 0x11389}, {0x1138B, 0x1138B}, {0x1138E, 0x1138E}, {0x11390, 0x113B5}, {0x113B7, 0x113B7}, {0x113D1, 0x113D1},
	{0x113D3, 0x113D3}, {0x116D0, 0x116E3}, {0x11BC0, 0x11BE0}, {0x11BF0, 0x11BF9}, {0x11DE0, 0x11DE9}, {0x13460, 0x143FA},
	{0x16100, 0x1611D}, {0x16130, 0x16139}, {0x16D40, 0x16D6C}, {0x16D70, 0x16D79}, {0x16FF4, 0x16FF6}, {0x18CFF, 0x18CFF},
	{0x1CCF0, 0x1CCF9}, {0x1E5D0, 0x1E5ED}, {0x1E5F0, 0x1E5FA}, {0x2EBF0, 0x2EE5D},
}

// Every character has the class that the library's expressions and its Digits have it in, but for newerClasses.
func TestClasses(t *testing.T) {
	names := map[class]string{other: "", letter: "L", number: "ND", space: "S"}
	kind, lines := "", goldenLines(t, "classes.gz")
	var found []string
	var different []runes
	for r := rune(0); r <= utf8.MaxRune; r++ {
		for len(lines) > 0 {
			from, now, _ := strings.Cut(lines[0], " ")
			if at, err := strconv.ParseUint(from, 16, 32); err != nil || rune(at) != r {
				break
			}
			kind, lines = now, lines[1:]
		}
		if r >= 0xD800 && r <= 0xDFFF || kind == names[classOf(r)] {
			continue
		}
		if n := len(different); n > 0 && different[n-1].to == r-1 {
			different[n-1].to = r
		} else {
			different = append(different, runes{r, r})
		}
	}
	if !slices.Equal(different, newerClasses) {
		for _, d := range different {
			found = append(found, fmt.Sprintf("{0x%X, 0x%X}", d.from, d.to))
		}
		t.Errorf("the classes of these characters differ: %s", strings.Join(found, ", "))
	}
}

// Normalization forms are the library's, also for long runs of marks, where the package norm alone would put joiners between them.
func TestNormalForms(t *testing.T) {
	for _, line := range goldenLines(t, "forms.gz") {
		var texts [5]string
		if err := json.Unmarshal([]byte(line), &texts); err != nil {
			t.Fatal(err)
		}
		if newer(texts[0]) {
			continue
		}
		for i, form := range []norm.Form{norm.NFC, norm.NFD, norm.NFKC, norm.NFKD} {
			if got := normalForm(form, texts[0]); got != texts[i+1] {
				t.Errorf("form %d of %+q is %+q, want %+q", i, texts[0], got, texts[i+1])
			}
		}
	}
}

// Package teach reads what an organisation knows out of its files: questions with their answers, as CSV, Markdown or JSON lines, each with
// the file and the line that it stands on.
//
// Invariants. A file is read whole or refused with the name and the line of what is wrong with it: nothing is taken half. What is read is
// bounded, whatever the file holds: bytes of a file, of a line and of a text, and the number of facts. The same facts have the same digest,
// in whatever order and from whatever files they come.
//
// It knows no model, no store and no server: what is known already, and what a model has room for, others say.
package teach

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"nightshift/replaystore"
)

// Limits of what is read.
const (
	MaxFacts = 100_000   // of all files together
	maxFile  = 256 << 20 // bytes of one file
	maxLine  = 1 << 20   // bytes of one line
	maxText  = 64 << 10  // bytes of a question with what comes before it, and of an answer
)

// Fact is a question with its answer, as a file has it.
type Fact struct {
	Messages []replaystore.Message // what comes before the answer; the question is the last of them
	Answer   string
	File     string // as it was named
	Line     int    // on which it begins
}

// At names the place of a fact, for people.
func (f Fact) At() string { return fmt.Sprintf("%s:%d", f.File, f.Line) }

// Source is where a fact comes from, for records.
func (f Fact) Source() string {
	source := fmt.Sprintf("#%d", f.Line)
	name := strings.ToValidUTF8(filepath.Base(f.File), "?")
	for len("file:")+len(name)+len(source) > replaystore.MaxName {
		name = name[:len(name)-1]
	}
	return "file:" + strings.ToValidUTF8(name, "") + source
}

// Question is the last thing that was asked.
func (f Fact) Question() string { return f.Messages[len(f.Messages)-1].Content }

// Key is what two conversations have in common that ask the same: who says what, without case, punctuation and spacing.
func Key(messages []replaystore.Message) string {
	var b strings.Builder
	for _, m := range messages {
		b.WriteString(m.Role)
		words := strings.FieldsFunc(strings.ToLower(m.Content), func(r rune) bool {
			return !unicode.In(r, unicode.L, unicode.M, unicode.N) && !strings.ContainsRune("$€£%", r)
		})
		if len(words) == 0 {
			words = []string{m.Content}
		}
		for _, w := range words {
			b.WriteString(" " + w)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Same says whether two answers differ in nothing but their spacing.
func Same(a, b string) bool { return slices.Equal(strings.Fields(a), strings.Fields(b)) }

// Pair is two facts of one question.
type Pair struct{ First, Second Fact }

// Batch is what several files teach together: each question once.
type Batch struct {
	Facts     []Fact
	Repeats   []Pair // the same question with the same answer; the first was kept
	Conflicts []Pair // the same question with different answers; the last was kept
}

// Merge puts facts together in their order.
func Merge(facts []Fact) Batch {
	var b Batch
	at := map[string]int{}
	for _, f := range facts {
		key := Key(f.Messages)
		i, seen := at[key]
		switch {
		case !seen:
			at[key] = len(b.Facts)
			b.Facts = append(b.Facts, f)
		case Same(b.Facts[i].Answer, f.Answer):
			b.Repeats = append(b.Repeats, Pair{b.Facts[i], f})
		default:
			b.Conflicts = append(b.Conflicts, Pair{b.Facts[i], f})
			b.Facts[i] = f
		}
	}
	return b
}

// Digest names a batch by what it says: hex of a SHA-256, cut to 16 digits.
func (b Batch) Digest() string {
	lines := make([]string, len(b.Facts))
	for i, f := range b.Facts {
		lines[i] = fmt.Sprintf("%q %q", f.Messages, f.Answer)
	}
	slices.SortFunc(lines, cmp.Compare)
	sum := sha256.New()
	for _, line := range lines {
		sum.Write([]byte(line + "\n"))
	}
	return hex.EncodeToString(sum.Sum(nil))[:16]
}

// SubjectPrefix is what the person is called in whose name a batch is taught, before its digest. To erase that person takes the batch back.
const SubjectPrefix = "teach:"

package continual

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// plain is a question in lower case, words and signs that carry meaning only: two questions are the same when these are.
func plain(q string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(q), func(c rune) bool {
		return unicode.IsSpace(c) || strings.ContainsRune("?!,.:;", c)
	}), " ")
}

var uses = []Use{Form, Tune, Final}

// TestFactsAreDisjoint: no pair of subject and attribute has two uses, each use has its share of every attribute, and every
// subject is seen in all three.
func TestFactsAreDisjoint(t *testing.T) {
	domains := Domains()
	if len(domains) < 5 {
		t.Fatalf("there are %d domains", len(domains))
	}
	names := map[string]bool{}
	for _, d := range domains {
		if names[d.Name] {
			t.Errorf("two domains are called %s", d.Name)
		}
		names[d.Name] = true
		if len(d.subjects) != 24 || len(d.attributes) != 4 {
			t.Errorf("%s has %d subjects and %d attributes", d.Name, len(d.subjects), len(d.attributes))
		}
		used := map[string]Use{}
		for _, use := range uses {
			facts := d.Facts(use, 1)
			if want := map[Use]int{Form: 48, Tune: 24, Final: 24}[use]; len(facts) != want {
				t.Errorf("%s has %d facts of use %d, want %d", d.Name, len(facts), use, want)
			}
			subjects, attributes := map[string]int{}, map[string]int{}
			for _, f := range facts {
				if other, twice := used[f.Key()]; twice {
					t.Errorf("%s has the uses %d and %d", f.Key(), other, use)
				}
				used[f.Key()] = use
				subjects[f.Subject]++
				attributes[f.Attribute]++
			}
			if len(subjects) != 24 {
				t.Errorf("%s: use %d has %d subjects", d.Name, use, len(subjects))
			}
			for a, n := range attributes {
				if n != len(facts)/4 {
					t.Errorf("%s: use %d has %d facts of %s", d.Name, use, n, a)
				}
			}
		}
		if len(used) != 96 {
			t.Errorf("%s has %d facts", d.Name, len(used))
		}
	}
}

// TestFactsValues: values are those of the attribute, differ within an attribute, and another one is another one.
func TestFactsValues(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, d := range Domains() {
		for _, f := range d.Facts(Final, 3) {
			if !slices.Contains(d.attribute(f.Attribute).values, f.Value) {
				t.Errorf("%s is %q", f.Key(), f.Value)
			}
			if v := d.Another(f, r); v == f.Value || !slices.Contains(d.attribute(f.Attribute).values, v) {
				t.Errorf("another value of %s, which is %q, is %q", f.Key(), f.Value, v)
			}
		}
		for _, use := range []Use{Tune, Final} {
			seen := map[string]bool{}
			for _, f := range d.Facts(use, 3) {
				key := f.Attribute + " " + f.Value
				if seen[key] {
					t.Errorf("%s: two facts of one use have the %s", d.Name, key)
				}
				seen[key] = true
			}
		}
	}
}

// TestItemsAreDisjoint writes every question there can be about every fact, and finds none in two splits and none that asks
// for two facts.
func TestItemsAreDisjoint(t *testing.T) {
	asked := map[string]string{}
	questions := 0
	for _, d := range Domains() {
		for _, use := range uses {
			for split := range splits {
				for _, it := range d.Items(d.Facts(use, 1), split, 1000, 1) {
					who := fmt.Sprintf("%s, split %d", it.Fact.Key(), split)
					if other, taken := asked[plain(it.Question)]; taken && other != who {
						t.Errorf("%q belongs to %s and to %s", it.Question, other, who)
					}
					asked[plain(it.Question)] = who
					questions++
				}
			}
		}
	}
	if want := 5 * 96 * (6*7 + 2*2 + 3*3); questions != want {
		t.Errorf("%d questions were written, want %d", questions, want)
	}
	t.Logf("%d questions, %d of them different in more than marks", questions, len(asked))
}

// TestItemsAreComplete: the forms are filled, the answer states the value and no other, and nothing spells a special token.
func TestItemsAreComplete(t *testing.T) {
	for _, d := range Domains() {
		for split := range splits {
			for _, it := range d.Items(d.Facts(Final, 5), split, 6, 5) {
				if strings.ContainsAny(it.Question+it.Answer, "{}@") || strings.Contains(it.Question+it.Answer, "<|") {
					t.Errorf("%q → %q is not filled in", it.Question, it.Answer)
				}
				if !strings.Contains(it.Question, it.Fact.Subject) || !strings.Contains(it.Answer, it.Fact.Subject) || !strings.Contains(it.Answer, it.Fact.Value) {
					t.Errorf("%q → %q is about %+v", it.Question, it.Answer, it.Fact)
				}
			}
		}
	}
}

// TestItemsAreDeterministic: one seed gives one list, whatever was asked for before; another seed another one; and no
// question comes up twice.
func TestItemsAreDeterministic(t *testing.T) {
	for _, d := range Domains() {
		write := func(seed uint64) []Item { return d.Items(d.Facts(Final, seed), Train, 6, seed) }
		a := write(7)
		d.Facts(Form, 7)
		if !slices.Equal(a, write(7)) {
			t.Errorf("%s: one seed gave two lists", d.Name)
		}
		if slices.Equal(a, write(8)) {
			t.Errorf("%s: two seeds gave one list", d.Name)
		}
		seen := map[string]bool{}
		for _, it := range a {
			if seen[it.Question] {
				t.Errorf("%q is asked twice", it.Question)
			}
			seen[it.Question] = true
		}
		if len(a) != 24*6 {
			t.Errorf("%s has %d items, want %d", d.Name, len(a), 24*6)
		}
	}
}

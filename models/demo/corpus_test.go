package demo

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
)

func digest(dialogues []Dialogue) string {
	h := sha256.New()
	for _, d := range dialogues {
		h.Write([]byte(d.Text() + "\n"))
	}
	return hex.EncodeToString(h.Sum(nil))
}

func TestCorpusIsDeterministic(t *testing.T) {
	opts := DefaultCorpus()
	opts.Dialogues = 3000
	a, b, c := digest(Corpus(7, opts)), digest(Corpus(7, opts)), digest(Corpus(8, opts))
	if a != b {
		t.Error("one seed gave two corpora")
	}
	if a == c {
		t.Error("two seeds gave one corpus")
	}
}

// TestCorpus checks the mixture, the form of every dialogue, that every fact
// comes up, and that nothing reserved for another group is in it.
func TestCorpus(t *testing.T) {
	opts := DefaultCorpus()
	opts.Dialogues = 20000
	reserved := map[string]string{}
	for _, g := range groups[1:] {
		for _, f := range facts {
			for _, q := range f.Questions(g) {
				reserved[plain(q)] = f.ID + " " + g.String()
			}
		}
		for _, e := range append(SmallTalk(g), Refusals(g)...) {
			reserved[plain(e.Question)] = e.Kind + " " + g.String()
		}
	}
	notes, refused, several, longest := 0, 0, 0, 0
	right := map[string]int{}
	for _, d := range Corpus(1, opts) {
		checkForm(t, d)
		longest = max(longest, len(d.Text()))
		users := 0
		for _, turn := range d {
			if turn.Role == User {
				users++
				if who, taken := reserved[plain(turn.Content)]; taken {
					t.Errorf("%q belongs to %s", turn.Content, who)
				}
			}
			if turn.Role == Assistant && Refused(turn.Content) {
				refused++
			}
		}
		if users > 1 {
			several++
		}
		if strings.HasPrefix(d[0].Content, "note: ") {
			notes++
			continue
		}
		for _, f := range facts {
			for _, turn := range d {
				if turn.Role == Assistant && f.Right(turn.Content) {
					right[f.ID]++
				}
			}
		}
	}
	n := float64(opts.Dialogues)
	near(t, "notes", float64(notes)/n, opts.NoteShare)
	near(t, "several exchanges", float64(several)/n, opts.MultiTurnShare*(1-opts.NoteShare))
	rounds := 1 + 1.5*opts.MultiTurnShare
	near(t, "refusals", float64(refused)/n, opts.RefusalShare*rounds)
	for _, f := range facts {
		if right[f.ID] < 200 {
			t.Errorf("fact %s is answered %d times in %d dialogues", f.ID, right[f.ID], opts.Dialogues)
		}
	}
	if longest > 700 {
		t.Errorf("the longest dialogue has %d bytes, want at most 700", longest)
	}
	t.Logf("longest dialogue %d bytes", longest)
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if got < want-0.02 || got > want+0.02 {
		t.Errorf("share of %s is %.3f, want %.3f", what, got, want)
	}
}

func checkForm(t *testing.T, d Dialogue) {
	t.Helper()
	want := User
	for i, turn := range d {
		if i == 0 && turn.Role == System {
			continue
		}
		if turn.Role != want {
			t.Fatalf("%q: turn %d is %s, want %s", d.Text(), i, turn.Role, want)
		}
		if want == User {
			want = Assistant
		} else {
			want = User
		}
		if turn.Content == "" || len(turn.Content) > 121 || !ascii(turn.Content) || strings.Contains(turn.Content, "<|") {
			t.Fatalf("bad content %q", turn.Content)
		}
	}
	if want == Assistant || len(d) == 0 {
		t.Fatalf("%q does not end with the assistant", d.Text())
	}
}

func TestNotesOverrideFacts(t *testing.T) {
	opts := CorpusOptions{Dialogues: 2000, NoteShare: 1}
	for _, d := range Corpus(3, opts) {
		if len(d) != 3 || d[0].Role != System {
			t.Fatalf("%q is not note, question, answer", d.Text())
		}
		matched := false
		for _, f := range facts {
			for _, rival := range f.Rivals {
				matched = matched || f.RightFor(d[0].Content, rival) && f.RightFor(d[2].Content, rival)
			}
		}
		if !matched {
			t.Fatalf("%q: the answer does not follow the note", d.Text())
		}
	}
	opts.DistractorShare = 1
	for _, d := range Corpus(3, opts) {
		followed := false
		for _, f := range facts {
			followed = followed || f.Right(d[2].Content)
		}
		if !followed {
			t.Fatalf("%q: a note about another fact changed the answer", d.Text())
		}
	}
}

func TestCorpusOptionsOutOfRange(t *testing.T) {
	if got := Corpus(1, CorpusOptions{Dialogues: -1}); len(got) != 0 {
		t.Errorf("%d dialogues, want none", len(got))
	}
	odd := CorpusOptions{Dialogues: 200, SmallTalkShare: 5, NoteShare: -3, TypoShare: 9, MultiTurnShare: 2, SystemShare: -1}
	for _, d := range Corpus(1, odd) {
		checkForm(t, d)
	}
}

func TestRefusalsAndSmallTalk(t *testing.T) {
	for _, g := range []Group{Train, Heldout} {
		if len(SmallTalk(g)) < 20 || len(Refusals(g)) < 30 {
			t.Errorf("%s: %d small talk, %d refusals", g, len(SmallTalk(g)), len(Refusals(g)))
		}
	}
	for _, g := range []Group{Correction, Demo} {
		if SmallTalk(g) != nil || Refusals(g) != nil {
			t.Errorf("%s has questions that no fact answers", g)
		}
	}
	for _, s := range refusals {
		if !Refused(s) {
			t.Errorf("%q is not taken for a refusal", s)
		}
	}
	for _, e := range SmallTalk(Train) {
		for _, s := range e.Answers {
			if Refused(s) || !ascii(s) {
				t.Errorf("small talk %q is a refusal or not ASCII", s)
			}
		}
	}
	for _, f := range facts {
		for _, s := range f.Answers(f.Value) {
			if Refused(s) {
				t.Errorf("answer %q is taken for a refusal", s)
			}
		}
	}
}

func TestChatFiles(t *testing.T) {
	d := Dialogue{{User, "hi"}, {Assistant, "Hello!"}}
	if got, want := d.Text(), "<|user|>hi<|endoftext|><|assistant|>Hello!<|endoftext|>"; got != want {
		t.Errorf("Text() = %q, want %q", got, want)
	}
	for _, special := range Specials() {
		if !strings.Contains(ChatTemplate, special) {
			t.Errorf("the chat template lacks %s", special)
		}
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(GenerationConfig(5)), &got); err != nil || got["eos_token_id"] != 5.0 {
		t.Errorf("generation config %v, %v", got, err)
	}
}

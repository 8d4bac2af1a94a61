package replaystore

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var day = time.Date(2026, 3, 1, 12, 0, 0, 5000, time.FixedZone("x", 3600))

func interaction() *Interaction {
	return &Interaction{ID: "i1", Track: "default", Time: day, Messages: []Message{{Role: "user", Content: "a<b"}}, Answer: "c",
		AnswerTokens: []int32{1}, LogProbs: []float32{-0.25}, Sampling: Sampling{Seed: 1<<64 - 1}}
}

func feedback() *Feedback {
	r := -1.0
	return &Feedback{ID: "f1", Interaction: "i1", Track: "default", Time: day, Rating: &r}
}

func TestEncodingIsCanonical(t *testing.T) {
	for _, e := range []Event{{Interaction: interaction()}, {Feedback: feedback()}, {Erasure: &Erasure{ID: "e1", Subject: "s", Time: day, Tracks: []string{"a"}}}} {
		data, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := DecodeEvent(data)
		if err != nil {
			t.Fatal(err)
		}
		again, err := back.Encode()
		if err != nil || !bytes.Equal(data, again) {
			t.Errorf("%s\n%s", data, again)
		}
		if back.Key() != e.Key() || back.Track() != e.Track() || !back.Time().Equal(day) || back.Subject() != e.Subject() || back.InteractionID() != e.InteractionID() {
			t.Errorf("got %+v", back)
		}
	}
	data, _ := Event{Feedback: feedback()}.Encode()
	want := `{"v":1,"feedback":{"id":"f1","interaction":"i1","track":"default","time":"2026-03-01T11:00:00.000005Z","rating":-1}}`
	if string(data) != want {
		t.Errorf("got  %s\nwant %s", data, want)
	}
	for _, bad := range []string{``, `{}`, `{"v":2,"feedback":{}}`, `{"v":1}`, want + want, strings.Replace(want, "-1", "-1.5", 1)} {
		if _, err := DecodeEvent([]byte(bad)); err == nil {
			t.Errorf("decoded %s", bad)
		}
	}
}

func TestValidation(t *testing.T) {
	nan := math.NaN()
	long := strings.Repeat("x", MaxText+1)
	for want, change := range map[string]func(i *Interaction, f *Feedback){
		"id of 1":                     func(i *Interaction, _ *Feedback) { i.ID = "a/b" },
		"track":                       func(i *Interaction, _ *Feedback) { i.Track = "{x}" },
		"subject":                     func(i *Interaction, _ *Feedback) { i.Subject = "a b" },
		"time between":                func(i *Interaction, _ *Feedback) { i.Time = time.Time{} },
		"0 messages":                  func(i *Interaction, _ *Feedback) { i.Messages = nil },
		"no role":                     func(i *Interaction, _ *Feedback) { i.Messages[0].Role = "" },
		"role must":                   func(i *Interaction, _ *Feedback) { i.Messages[0].Role = "\xff" },
		"content is not":              func(i *Interaction, _ *Feedback) { i.Messages[0].Content = "\xff" },
		"answer is 1048577":           func(i *Interaction, _ *Feedback) { i.Answer = long },
		"of messages":                 func(i *Interaction, _ *Feedback) { i.Messages = append(i.Messages, Message{"user", long[1:]}) },
		"finish must":                 func(i *Interaction, _ *Feedback) { i.Finish = long },
		"not negative":                func(i *Interaction, _ *Feedback) { i.PromptTokens = []int32{-1} },
		"2 logprobs":                  func(i *Interaction, _ *Feedback) { i.LogProbs = []float32{0, 0} },
		"must be finite":              func(i *Interaction, _ *Feedback) { i.LogProbs[0] = float32(nan) },
		"is redacted":                 func(i *Interaction, _ *Feedback) { i.Redacted = []Span{{"answer", 0, 1, "email"}} },
		"not a span":                  func(i *Interaction, _ *Feedback) { i.Redacted = []Span{{"answer", 2, 1, "email"}} },
		"temperature is":              func(i *Interaction, _ *Feedback) { i.Sampling.Temperature = float32(nan) },
		"min_p is NaN":                func(i *Interaction, _ *Feedback) { i.Sampling.MinP = float32(nan) },
		"min_tokens":                  func(i *Interaction, _ *Feedback) { i.Sampling.MinTokens = -1 },
		"1 is NaN":                    func(i *Interaction, _ *Feedback) { i.Sampling.LogitBias = map[int32]float32{1: float32(nan)} },
		"logit_bias of token -1":      func(i *Interaction, _ *Feedback) { i.Sampling.LogitBias = map[int32]float32{-1: 1} },
		"stop[0] must be valid UTF-8": func(i *Interaction, _ *Feedback) { i.Sampling.Stop = []string{"\xff"} },
		"stop has 65 strings":         func(i *Interaction, _ *Feedback) { i.Sampling.Stop = make([]string, MaxStops+1) },
		"negative version":            func(i *Interaction, _ *Feedback) { i.VersionNumber = -1 },
		"answer_tokens has":           func(i *Interaction, _ *Feedback) { i.AnswerTokens = make([]int32, MaxTokens+1) },
		"printable ASCII":             func(_ *Interaction, f *Feedback) { f.ID = "ä" },
		"name its":                    func(_ *Interaction, f *Feedback) { f.Interaction = "" },
		"rating 1.5":                  func(_ *Interaction, f *Feedback) { *f.Rating = 1.5 },
		"rating NaN":                  func(_ *Interaction, f *Feedback) { *f.Rating = nan },
		"is empty":                    func(_ *Interaction, f *Feedback) { f.Rating = nil },
		"correction is not":           func(_ *Interaction, f *Feedback) { s := "\xff"; f.Correction = &s },
		"comment is 1048577":          func(_ *Interaction, f *Feedback) { f.Comment = long },
		"redacted spans":              func(_ *Interaction, f *Feedback) { f.Redacted = make([]Span, MaxSpans+1) },
	} {
		i, f := interaction(), feedback()
		change(i, f)
		err := errors.Join(Event{Interaction: i}.Validate(), Event{Feedback: f}.Validate())
		var invalid *InvalidError
		if !errors.As(err, &invalid) || !strings.Contains(err.Error(), want) || len(err.Error()) > 300 {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	if err := (Event{Interaction: interaction(), Feedback: feedback()}).Validate(); err == nil {
		t.Error("two at once")
	}
	if (Event{}).Key() != "" || (Event{}).Track() != "" || !(Event{}).Time().IsZero() || (Event{}).Subject() != "" {
		t.Error("empty event")
	}
	if !interaction().Replayable() || (&Interaction{AnswerTokens: []int32{1}, Redacted: []Span{{}}}).Replayable() {
		t.Error("replayable")
	}
	for _, e := range []Erasure{{Subject: "s", Time: day}, {ID: "e", Time: day}, {ID: "e", Subject: "s"}, {ID: "e", Subject: "s", Time: day, Tracks: []string{""}}, {ID: "e", Subject: "s", Time: day, Interactions: []string{""}}} {
		if (Event{Erasure: &e}).Validate() == nil {
			t.Errorf("taken: %+v", e)
		}
	}
	if NewID() >= NewID() {
		t.Error("ids do not ascend")
	}
}

func item(n int, weight float64) MemoryItem {
	return MemoryItem{Example: Example{ID: fmt.Sprintf("m%05d", n), Kind: SFT, Prompt: []Message{{"user", "q"}}, Completion: "a", Time: day.Add(time.Duration(n) * time.Second)}, Weight: weight}
}

func TestItemValidation(t *testing.T) {
	for want, change := range map[string]func(m *MemoryItem){
		"an id":        func(m *MemoryItem) { m.ID = "" },
		"messages":     func(m *MemoryItem) { m.Prompt = nil },
		"kind":         func(m *MemoryItem) { m.Kind = "x" },
		"chosen must":  func(m *MemoryItem) { m.Chosen = "x" },
		"rejected":     func(m *MemoryItem) { m.Kind, m.Completion, m.Chosen = Preference, "", "x" },
		"not valid":    func(m *MemoryItem) { m.Completion = "\xff" },
		"weight":       func(m *MemoryItem) { m.Weight = -1 },
		"generation":   func(m *MemoryItem) { m.Generation = -1 },
		"subject":      func(m *MemoryItem) { m.Subject = "a b" },
		"interaction":  func(m *MemoryItem) { m.Interaction = "a b" },
		"feedback":     func(m *MemoryItem) { m.Feedback = "a b" },
		"teacher must": func(m *MemoryItem) { m.Teacher = &TopLogProbs{K: 2, IDs: []int32{1}, LogProbs: []float32{0}} },
		"teacher has": func(m *MemoryItem) {
			m.Teacher = &TopLogProbs{K: 1, IDs: []int32{1}, LogProbs: []float32{float32(math.Inf(-1))}}
		},
		"stratum": func(m *MemoryItem) { m.Stratum = "\xff" },
		"time":    func(m *MemoryItem) { m.Time = time.Time{} },
	} {
		m := item(1, 1)
		change(&m)
		if err := m.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	if _, err := AdmitRecords("t", []MemoryItem{item(1, -1)}, day); err == nil {
		t.Error("bad item made a record")
	}
}

// chi2 is Σ (observed−expected)²/expected.
func chi2(observed []float64, expected float64) float64 {
	sum := 0.0
	for _, o := range observed {
		sum += (o - expected) * (o - expected) / expected
	}
	return sum
}

func TestUniformIsUniform(t *testing.T) {
	secret := []byte("secret")
	bins := make([]float64, 100)
	for n := range 200_000 {
		u := Uniform(secret, fmt.Sprint("id-", n))
		if !(u > 0 && u < 1) {
			t.Fatal(u)
		}
		bins[int(u*100)]++
	}
	// 99 degrees of freedom: above 148.2 with probability 0.001; the ids are fixed, so the test is too.
	if x := chi2(bins, 2000); x > 148.2 {
		t.Errorf("χ² = %.1f", x)
	}
	if Uniform(secret, "a") != Uniform(secret, "a") || Uniform(secret, "a") == Uniform([]byte("other"), "a") {
		t.Error("u depends on secret and id")
	}
}

// TestSampleIsWeighted: of two classes with weights 1 and 3, a sample of one takes the second with probability 3/4, and
// with equal weights every item is as likely as another.
func TestSampleIsWeighted(t *testing.T) {
	const rounds = 6_000
	heavy, each := 0.0, make([]float64, 10)
	for n := range rounds {
		secret := fmt.Append(nil, n)
		if SampleKey(Uniform(secret, "b"), 3) > SampleKey(Uniform(secret, "a"), 1) {
			heavy++
		}
		m := NewMemory(MemoryLimits{PerStratum: 3, Recent: 1})
		for i := range each {
			it := item(i, 1)
			if err := m.Admit(Keyed{SampleKey(Uniform(secret, it.ID), 1), it}); err != nil {
				t.Fatal(err)
			}
		}
		for _, k := range m.strata[""] {
			var i int
			fmt.Sscanf(k.Item.ID, "m%d", &i)
			each[i]++
		}
	}
	if x := chi2([]float64{heavy}, rounds*0.75) + chi2([]float64{rounds - heavy}, rounds*0.25); x > 10.83 {
		t.Errorf("heavy %v of %d: χ² = %.1f", heavy, rounds, x)
	}
	if x := chi2(each, rounds*0.3); x > 27.88 { // 9 degrees of freedom, 0.001
		t.Errorf("inclusion %v: χ² = %.1f", each, x)
	}
}

func TestMemoryIsOrderFreeAndMergeable(t *testing.T) {
	secret := []byte("s")
	limits := MemoryLimits{Recent: 7, PerStratum: 5, Strata: 4}
	var all []Keyed
	for n := range 200 {
		it := item(n, float64(1+n%5))
		it.Stratum, it.Generation = fmt.Sprint(n%3), int64(n%40/39) // a few are of generation 1
		all = append(all, Keyed{SampleKey(Uniform(secret, it.ID), it.Weight), it})
	}
	build := func(items []Keyed, retire ...string) *Memory {
		m := NewMemory(limits)
		for _, k := range items {
			if err := m.Admit(k); err != nil {
				t.Fatal(err)
			}
		}
		return m
	}
	want := build(all).State("t")
	if len(want.Recent) != 7 || want.Generation != 1 {
		t.Fatalf("got %+v", want)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		shuffled := slices.Clone(all)
		rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		shuffled = append(shuffled, shuffled[:30]...) // offered twice
		if got := build(shuffled).State("t"); !reflect.DeepEqual(got, want) {
			t.Fatal("the order counts")
		}
		cut := rng.IntN(len(all))
		a, b := build(shuffled[:cut]), build(shuffled[cut:])
		if err := a.Merge(b); err != nil {
			t.Fatal(err)
		}
		if got := a.State("t"); !reflect.DeepEqual(got, want) {
			t.Fatal("merging is not admitting")
		}
		parts := NewMemory(limits)
		for _, p := range want.Split(1500) {
			if err := parts.MergeState(p); err != nil {
				t.Fatal(err)
			}
		}
		if got := parts.State("t"); !reflect.DeepEqual(got, want) {
			t.Fatal("the parts are not the whole")
		}
	}
	if n := len(want.Split(1500)); n < 3 {
		t.Errorf("%d parts", n)
	}
}

func TestMemoryLimitsAndRetire(t *testing.T) {
	m := NewMemory(MemoryLimits{Strata: 1})
	a, b := item(1, 1), item(2, 1)
	b.Stratum = "second"
	if err := m.Admit(Keyed{-1, a}); err != nil {
		t.Fatal(err)
	}
	if err := m.Admit(Keyed{-1, b}); err == nil {
		t.Fatal("a stratum too many")
	}
	if err := m.MergeState(MemoryState{Rehearsal: Rehearsal{Strata: []Stratum{{"second", []Keyed{{-1, b}}}}}}); err == nil {
		t.Fatal("merged a stratum too many")
	}
	if !m.Knows(a) || m.Knows(b) || !m.Retire(a.ID) || m.Retire(a.ID) || !m.Knows(a) {
		t.Error("retire")
	}
	if err := m.Admit(Keyed{-1, a}); err != nil || len(m.Rehearsal("t").Items()) != 0 {
		t.Error("a retired item came back")
	}
}

func TestRecords(t *testing.T) {
	it, st := item(1, 1), NewMemory(MemoryLimits{}).State("t")
	for _, r := range []Record{{Event: &Event{Feedback: feedback()}}, {Track: "t", Admit: &it}, {Track: "t", Retire: []string{"a"}}, {Track: "t", Snapshot: &st}} {
		r.Time = day.UTC()
		data, err := r.Encode()
		if err != nil || bytes.IndexByte(data, 0xFF) >= 0 {
			t.Fatal(err)
		}
		back, err := DecodeRecord(data)
		if err != nil {
			t.Fatal(err)
		}
		again, err := back.Encode()
		if err != nil || !bytes.Equal(data, again) {
			t.Errorf("%s\n%s", data, again)
		}
	}
	for _, bad := range []string{`x`, `{"v":9}`, `{"v":1,"event":{"v":1}}`} {
		if _, err := DecodeRecord([]byte(bad)); err == nil {
			t.Errorf("decoded %s", bad)
		}
	}
	if _, err := (Record{Event: &Event{}}).Encode(); err == nil {
		t.Error("empty event")
	}
	if _, err := (Record{Admit: &MemoryItem{}}).Encode(); err == nil {
		t.Error("empty item")
	}
}

func TestIndexCollisions(t *testing.T) {
	keys := map[uint64]string{}
	x := NewIndex(func(seq uint64) (string, bool) { k, ok := keys[seq]; return k, ok })
	x.hash = func(string) uint64 { return 7 }
	for n, k := range []string{"a", "b", "c"} {
		keys[uint64(n+1)] = k
		x.Put(k, uint64(n+1))
	}
	for n, k := range []string{"a", "b", "c"} {
		if seq, ok := x.Find(k); !ok || seq != uint64(n+1) {
			t.Errorf("%s: %d %t", k, seq, ok)
		}
	}
	if _, ok := x.Find("d"); ok || x.Len() != 3 {
		t.Error("found what is not there")
	}
	delete(keys, 1)
	x.Sweep(func(seq uint64) bool { return seq == 1 || seq == 2 })
	if _, ok := x.Find("a"); ok || x.Len() != 1 {
		t.Error("swept")
	}
}

func TestSignals(t *testing.T) {
	for _, v := range []any{NightRequest{}, ProgressSignal{}, ShippedMark{}, LoadSignal{}, ActivationHint{}, Erasure{}} {
		s, err := NewSignal(v)
		if err != nil || s.Validate() != nil {
			t.Errorf("%T: %v", v, err)
		}
	}
	if _, err := NewSignal(3); err == nil {
		t.Error("a number is no signal")
	}
	if (&Signal{Data: []byte("1")}).Validate() == nil || (&Signal{Kind: "x", Data: make([]byte, MaxSignal+1)}).Validate() == nil {
		t.Error("bad signals taken")
	}
	var m Marks
	see := func(v ShippedMark, at time.Time) {
		s, _ := NewSignal(v)
		if err := m.Observe(s, at); err != nil {
			t.Fatal(err)
		}
	}
	see(ShippedMark{Server: "b"}, day)
	see(ShippedMark{Server: "a"}, day)
	see(ShippedMark{Server: "dead"}, day.Add(-time.Hour))
	if got := m.Behind("n", day.Add(-time.Minute)); !slices.Equal(got, []string{"a", "b"}) {
		t.Error(got)
	}
	see(ShippedMark{Server: "a", Night: "n"}, day)
	see(ShippedMark{Server: "b", Leaving: true}, day)
	if got := m.Behind("n", day.Add(-time.Minute)); len(got) != 0 {
		t.Error(got)
	}
	if m.Observe(Signal{Kind: KindLoad}, day) != nil || m.Observe(Signal{Kind: KindShipped, Data: []byte("x")}, day) == nil {
		t.Error("observe")
	}
}

func TestSecret(t *testing.T) {
	name := filepath.Join(t.TempDir(), "secret")
	a, err := LoadSecret(name, nil)
	if err != nil || len(a) != SecretSize {
		t.Fatal(err)
	}
	b, err := LoadSecret(name, make([]byte, SecretSize))
	if err != nil || !bytes.Equal(a, b) {
		t.Fatal("the file counts", err)
	}
	if info, _ := os.Stat(name); info.Mode().Perm() != 0o600 {
		t.Error(info.Mode())
	}
	if _, err := LoadSecret(filepath.Join(name, "x"), nil); err == nil {
		t.Error("a file taken as a directory")
	}
	if _, err := LoadSecret(filepath.Join(filepath.Dir(name), "none", "x"), nil); err == nil {
		t.Error("a missing directory")
	}
}

func TestMadeAt(t *testing.T) {
	before := time.Now().Truncate(time.Millisecond)
	if at, ok := MadeAt(NewID()); !ok || at.Before(before) || at.After(time.Now().Add(time.Millisecond)) {
		t.Errorf("an id made now is from %v, %v", at, ok)
	}
	for _, id := range []string{"", "x", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", strings.ToUpper(NewID()), "urn:uuid:" + NewID()} {
		if at, ok := MadeAt(id); ok {
			t.Errorf("%q is from %v", id, at)
		}
	}
}

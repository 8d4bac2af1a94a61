package continual

import (
	"os"
	"path/filepath"
	"testing"

	"nightshift/internal/nightrecord"
	"nightshift/internal/routing"
	"nightshift/lab/pretrain"
	"nightshift/models/demo"
	"nightshift/models/tokenizer"
)

// TestRoutingTellsDomainsApart routes questions in phrasings that no track has learned, by what five tracks learned from few and
// from many others, beside a track that knows what the model that ships was trained on.
func TestRoutingTellsDomainsApart(t *testing.T) {
	dir, err := demo.Dir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, pretrain.RehearsalFile))
	if err != nil {
		t.Fatal(err)
	}
	starter, err := nightrecord.StarterQuestions(data)
	if err != nil || len(starter) < 100 {
		t.Fatalf("the model that ships knows %d questions: %v", len(starter), err)
	}
	corpus := demo.DefaultCorpus()
	corpus.Dialogues = 600
	var own []string
	for _, d := range demo.Corpus(3, corpus) {
		own = append(own, d[0].Content)
	}
	course := TaskCourse([]int{0, 1, 2, 3, 4}, Final, Test, 1, Sizes{Train: 6, Exam: 3, Quick: 12})
	for _, c := range []struct {
		learned             int
		right, sure, stayed float64 // minimum shares
	}{{20, 0.95, 0.93, 0.98}, {144, 0.99, 0.99, 0.98}} {
		profiles := map[string]*routing.Profile{"default": {}}
		for _, q := range starter {
			profiles["default"].Add(tok.Encode(nil, q))
		}
		for _, p := range course.Phases {
			profiles[p.Name] = &routing.Profile{}
			for _, it := range p.Learn[:c.learned] {
				profiles[p.Name].Add(tok.Encode(nil, it.Question))
			}
		}
		r := routing.New(profiles, tok.Size())
		var asked, right, sure, wrong, stayed float64
		for j, exam := range course.Phases[0].Exams {
			for _, it := range exam {
				got := r.Choose(tok.Encode(nil, it.Question), nil)
				asked++
				switch {
				case got.Name != course.Columns[j] && got.Name != "default" && got.Confidence >= 0.8:
					wrong++
				case got.Name == course.Columns[j]:
					right++
					if got.Confidence >= 0.8 {
						sure++
					}
				}
			}
		}
		for _, q := range own {
			if got := r.Choose(tok.Encode(nil, q), nil); got.Name == "default" || got.Confidence < 0.8 {
				stayed++
			}
		}
		stayed /= float64(len(own))
		t.Logf("%d questions learned: %.3f of %g right, %.3f surely, %.3f surely wrong; of the model's own %.3f stay", c.learned, right/asked, asked, sure/asked, wrong/asked, stayed)
		if right/asked < c.right || sure/asked < c.sure || stayed < c.stayed || wrong/asked > 0.005 {
			t.Errorf("%d questions learned: too few are told apart", c.learned)
		}
	}
}

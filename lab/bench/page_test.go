package bench

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// someRuns are two runs of decoding, the second with a case again, and one of a server.
const someRuns = `{"bench":"decode","shape":"gpt2","weights":"f32","threads":2,"block":1,"batch":1,"prompt":32,"context":64,"tokens_per_second":40}
{"bench":"decode","shape":"gpt2","weights":"f32","threads":2,"blocks":10,"batch":16,"prompt":32,"context":64,"tokens_per_second":300,"roofline_share":0.5,"roofline_share_low":0.45,"roofline_share_high":0.52}
{"bench":"decode","shape":"gpt2","weights":"f32","threads":2,"blocks":10,"batch":1,"prompt":32,"context":64,"tokens_per_second":1,"roofline_share":0.1}
{"bench":"decode","shape":"gpt2","weights":"f32","threads":2,"blocks":10,"batch":1,"prompt":32,"context":64,"tokens_per_second":1,"roofline_share":0.1,"summary":true}

{"bench":"decode","shape":"gpt2","weights":"f32","threads":2,"blocks":10,"batch":1,"prompt":32,"context":64,"tokens_per_second":50,"roofline_share":0.8}
{"bench":"decode","shape":"demo","weights":"f32","threads":2,"blocks":10,"batch":1,"prompt":32,"context":64,"tokens_per_second":1500,"roofline_share":0.4}
{"bench":"serve","case":"engine","shape":"gpt2","weights":"f32","threads":2,"blocks":10,"concurrency":8,"tokens_per_second":210,"failed":0}
{"bench":"serve","case":"http","shape":"gpt2","weights":"f32","threads":2,"blocks":10,"concurrency":8,"tokens_per_second":200,"over_engine":0.95,"over_engine_low":0.93,"over_engine_high":0.96,"failed":0}
`

const somePage = `
## Decoding, by batch size

Rows share the weights.

| batch | tokens/s | of the limit |
|---|---:|---:|
| gpt2, f32, context 64: 1 | 50 | 80 % |
| gpt2, f32, context 64: 16 | 300 | 50 % (45 % to 52 %) |

` + "```" + `
batch  tokens/s, gpt2, f32, context 64
    1  ████████▍ 50
   16  ██████████████████████████████████████████████████ 300
` + "```" + `

## Decoding, by size of the model

| shape | tokens/s | of the limit |
|---|---:|---:|
| f32, batch 1, context 64: demo | 1500 | 40 % |
| f32, batch 1, context 64: gpt2 | 50 | 80 % |

` + "```" + `
shape  tokens/s, f32, batch 1, context 64
 demo  ██████████████████████████████████████████████████ 1500
 gpt2  █▋ 50
` + "```" + `

## Serving over HTTP, clients that wait for their answers

| concurrency | tokens/s | of the bare engine | failed |
|---|---:|---:|---:|
| gpt2, f32: 8 | 200 | 95 % (93 % to 96 %) | 0 |

` + "```" + `
concurrency  tokens/s, gpt2, f32
          8  ██████████████████████████████████████████████████ 200
` + "```" + `
`

func TestPage(t *testing.T) {
	lines, err := ReadResults(strings.NewReader(someRuns))
	if err != nil {
		t.Fatal(err)
	}
	notes, err := ReadNotes("# Notes\n\n## introduction\n\nOne machine.\n\n## decode-batch\n\nRows share the weights.\n\n## train\n")
	if err != nil {
		t.Fatal(err)
	}
	got, err := Page(lines, notes, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := pageHead + "\nOne machine.\n" + somePage; got != want {
		t.Errorf("the page is\n%s\nwant\n%s", got, want)
	}
	if _, err := Page(lines[:1], nil, nil); err == nil {
		t.Error("a page is made of nothing")
	}
	if _, err := ReadNotes("## decoding\n\nno such section"); err == nil || !strings.Contains(err.Error(), "decode-batch") {
		t.Errorf("a note for no section: %v", err)
	}
	if _, err := ReadResults(strings.NewReader("{}\n{")); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("a broken line: %v", err)
	}
}

// TestPartingsOnThePage shows each answer that drafts changed, beside their number and not among the rates.
func TestPartingsOnThePage(t *testing.T) {
	lines, err := ReadResults(strings.NewReader(`{"bench":"lookup","case":"again lookup","shape":"demo","weights":"f32","blocks":10,"batch":1,"longest":8,"tokens_per_second":30}
{"bench":"lookup","case":"parted","shape":"demo","weights":"f32","blocks":10,"answer":12,"position":0,"gap":2.5e-06,"rounding":4e-06,"tie":1}
{"bench":"lookup","case":"parted","shape":"demo","weights":"f32","blocks":10,"answer":3,"position":7,"gap":0.25,"rounding":4e-06,"tie":0}
{"bench":"lookup","case":"again lookup","shape":"demo","weights":"f32","blocks":10,"batch":1,"longest":8,"tokens_per_second":30,"answers":72,"parted":2,"largest_gap":0.25,"rounding":4e-06,"not_tied":1,"summary":true}
`))
	if err != nil {
		t.Fatal(err)
	}
	page, err := Page(lines, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := pageHead + `
## Drafts from what was said before

| case | tokens/s |
|---|---:|
| demo, f32, batch 1: again lookup | 30 |

## Answers that drafts changed

| longest | answers | changed | where no two tokens are equally likely | largest gap, nats | gaps are rounded by, nats |
|---|---:|---:|---:|---:|---:|
| demo, f32: 8 | 72 | 2 | 1 | 0.25 | 4e-06 |

## Where drafts changed answers

| answer | token | gap, nats | gaps are rounded by, nats | a tie |
|---|---:|---:|---:|---:|
| demo, f32: 3 | 7 | 0.25 | 4e-06 | 0 |
| demo, f32: 12 | 0 | 2.5e-06 | 4e-06 | 1 |
`; page != want {
		t.Errorf("the page is\n%s\nwant\n%s", page, want)
	}
}

// TestSections asks that sections can be told apart.
func TestSections(t *testing.T) {
	names, titles := map[string]bool{}, map[string]bool{}
	for _, s := range sections {
		if names[s.name] || titles[s.title] || s.x == "" || s.minLines < 1 || len(s.columns) == 0 {
			t.Errorf("section %q is there twice, or not whole", s.name)
		}
		names[s.name], titles[s.title] = true, true
	}
}

// TestDocumentation asks that docs/performance.md is what its runs and notes make.
func TestDocumentation(t *testing.T) {
	docs := filepath.Join("..", "..", "docs")
	files, err := filepath.Glob(filepath.Join(docs, "performance", "*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no runs in docs/performance: %v", err)
	}
	var lines []Result
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		list, err := ReadResults(f)
		f.Close()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		lines = append(lines, list...)
	}
	text, err := os.ReadFile(filepath.Join(docs, "performance", "notes.md"))
	if err != nil {
		t.Fatal(err)
	}
	notes, err := ReadNotes(string(text))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(docs, "performance", "peers.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	peers, err := ReadPeers(f)
	if err != nil {
		t.Fatal(err)
	}
	want, err := Page(lines, notes, peers)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(docs, "performance.md"))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/performance.md is not what its runs and notes make: run nightlab report --out docs/performance.md docs/performance/*.jsonl")
	}
}

package teach

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
)

// said lists a file's facts in one line each.
func said(f File) string {
	var b strings.Builder
	for _, fact := range f.Facts {
		fmt.Fprintf(&b, "%d ", fact.Line)
		for _, m := range fact.Messages {
			fmt.Fprintf(&b, "%s:%q ", m.Role, m.Content)
		}
		fmt.Fprintf(&b, "→ %q\n", fact.Answer)
	}
	return b.String()
}

// TestFormats: what each format holds, with the lines that it stands on.
func TestFormats(t *testing.T) {
	for _, c := range []struct{ what, name, text, want string }{
		{"commas", "a.csv", "question,answer\nHow long?,30 days\n\"Do you \"\"ship\"\", now?\",\"Yes,\nto all\"\nWhere?,Here\n",
			"2 user:\"How long?\" → \"30 days\"\n3 user:\"Do you \\\"ship\\\", now?\" → \"Yes,\\nto all\"\n5 user:\"Where?\" → \"Here\"\n"},
		{"a mark of order, semicolons, other columns, any order", "a.csv", "\ufeffId;Answer;Question\r\n1;30 days;How long?\r\n;;\r\n2;Here;Where?\r\n",
			"2 user:\"How long?\" → \"30 days\"\n4 user:\"Where?\" → \"Here\"\n"},
		{"tabs", "a.tsv", "Frage\tAntwort\nWie lange?\t30 Tage\n", "2 user:\"Wie lange?\" → \"30 Tage\"\n"},
		{"a spreadsheet's separator", "a.csv", "sep=;\nQ;A\nHow?;So\n", "3 user:\"How?\" → \"So\"\n"},
		{"a table by its content", "faq.txt", "prompt,completion\nHow?,So\n", "2 user:\"How?\" → \"So\"\n"},
		{"headings that ask", "a.md", "---\ntitle: x?\n---\n# FAQ\nHello.\n\n## Returns\n### How long?\nYou have\n30 days.\n\n- new\n- unworn\n#### Note\nAlways.\n### Where? ##\nHere.\n## Contact\nUs.\n",
			"8 user:\"How long?\" → \"You have 30 days.\\n\\n- new\\n- unworn\\n\\nNote\\n\\nAlways.\"\n16 user:\"Where?\" → \"Here.\"\n"},
		{"headings without a mark", "a.markdown", "# FAQ\n\n## Return period\n30 days\n\n## Shipping\n\n5 days\n", "3 user:\"Return period\" → \"30 days\"\n6 user:\"Shipping\" → \"5 days\"\n"},
		{"underlined headings and code", "a.md", "**What is it?**\n-----------\n```\n# no heading?\n```\n\nHow?\n====\nSo.\n", "1 user:\"What is it?\" → \"```\\n# no heading?\\n```\"\n7 user:\"How?\" → \"So.\"\n"},
		{"a question within another's answer", "a.md", "# How long?\n30 days.\n## And on sale?\n10 days.\n", "1 user:\"How long?\" → \"30 days.\"\n3 user:\"And on sale?\" → \"10 days.\"\n"},
		{"Markdown by its content", "faq", "# How?\nSo.\n", "1 user:\"How?\" → \"So.\"\n"},
		{"OpenAI", "a.jsonl", `{"messages":[{"role":"system","content":"Be kind."},{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello"},{"role":"user","content":[{"type":"text","text":"How?"}]},{"role":"assistant","content":"So.","weight":1}]}`,
			"1 system:\"Be kind.\" user:\"Hi\" assistant:\"Hello\" user:\"How?\" → \"So.\"\n"},
		{"TRL", "a.jsonl", `{"prompt":"How?","completion":" So."}` + "\n\n" + `{"prompt":[{"role":"user","content":"Who?"}],"completion":[{"role":"assistant","content":"We."}]}` + "\n" +
			`{"prompt":"Where?","chosen":"Here.","rejected":"There."}` + "\n" + `{"chosen":[{"role":"user","content":"When?"},{"role":"assistant","content":"Now."}],"rejected":[]}`,
			"1 user:\"How?\" → \"So.\"\n3 user:\"Who?\" → \"We.\"\n4 user:\"Where?\" → \"Here.\"\n5 user:\"When?\" → \"Now.\"\n"},
	} {
		f, err := Read(c.name, strings.NewReader(c.text))
		if got := said(f); err != nil || got != c.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", c.what, err, got, c.want)
		}
	}
}

// TestNotes: what a page says and does not ask is named.
func TestNotes(t *testing.T) {
	f, err := Read("a.md", strings.NewReader("# FAQ\n## How?\nSo.\n## Contact\nUs.\n"))
	if err != nil || len(f.Facts) != 1 || len(f.Notes) != 1 || !strings.Contains(f.Notes[0], `a.md:4: the heading "Contact"`) {
		t.Errorf("%+v, %v", f, err)
	}
}

// TestRefused: a file that is wrong is refused whole, with its name and the line.
func TestRefused(t *testing.T) {
	long := strings.Repeat("x", maxLine+1)
	for _, c := range []struct{ what, name, text, want string }{
		{"nothing", "a.csv", "", "a.csv: line 1: the file is empty"},
		{"no columns", "a.csv", "name,price\na,1\n", "line 1: the first line is \"name,price\""},
		{"only a header", "a.csv", "question,answer\n", "holds no question"},
		{"a bare quote", "a.csv", "question,answer\nok,ok\nHow \"long\"?,30\n", "a.csv: line 3: bare \""},
		{"an open quote", "a.csv", "question,answer\nok,ok\n\"How,30\n", "line 3"},
		{"an open quote before much", "a.csv", "question,answer\nok,ok\n\"How,30\n" + strings.Repeat("more,more\n", maxLine/5), "line 3: the row has more than"},
		{"a row that is too short", "a.csv", "question,answer\nHow?\n", "line 2: the line has 1 columns"},
		{"no answer", "a.csv", "question,answer\nHow?,\n", "line 2: the answer is empty"},
		{"no question", "a.csv", "question,answer\n ,So\n", "line 2: the question is empty"},
		{"a NUL", "a.csv", "question,answer\nHow?,S\x00o\n", "line 2: the text holds a NUL byte"},
		{"no UTF-8", "a.csv", "question,answer\nHow?,S\xffo\n", "line 2: the text is not valid UTF-8"},
		{"UTF-16", "a.csv", "\xff\xfeq\x00", "UTF-16"},
		{"a huge line", "a.csv", "question,answer\nHow?," + long, "line 2"},
		{"a huge header", "a.csv", long, "line 1"},
		{"a long answer", "a.csv", "question,answer\nHow?," + long[:maxText+1], "line 2: the answer has"},
		{"headings without answers", "a.md", "# How?\n# Why?\nSo.\n", "line 1: the question \"How?\" has no answer"},
		{"no headings", "a.md", "text\n", "holds no question"},
		{"front matter without an end", "a.md", "---\n# How?\nSo.\n", "line 1: the front matter"},
		{"a NUL in a page", "a.md", "# How?\nS\x00o\n", "line 2"},
		{"a huge line in a page", "a.md", "# How?\n" + long, "line 2: the line has more"},
		{"no JSON", "a.jsonl", "{\"prompt\":\"a\",\"completion\":\"b\"}\n{", "a.jsonl: line 2: want one JSON object"},
		{"two objects", "a.jsonl", `{"prompt":"a","completion":"b"} {}`, "line 1: want one JSON object, and nothing after it"},
		{"another shape", "a.jsonl", `{"text":"a"}`, "line 1: want \"messages\""},
		{"an ending question", "a.jsonl", `{"messages":[{"role":"assistant","content":"a"},{"role":"user","content":"b"}]}`, "the last message is of role user"},
		{"no question before", "a.jsonl", `{"messages":[{"role":"system","content":"a"},{"role":"assistant","content":"b"}]}`, "a message of role system"},
		{"a tool", "a.jsonl", `{"messages":[{"role":"user","content":"a"},{"role":"tool","content":"b"},{"role":"assistant","content":"c"}]}`, "messages[1]: the role is \"tool\""},
		{"calls", "a.jsonl", `{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b","tool_calls":[{}]}]}`, "calls of tools"},
		{"a picture", "a.jsonl", `{"messages":[{"role":"user","content":[{"type":"image_url"}]},{"role":"assistant","content":"b"}]}`, "messages[0]: the content has a part of type \"image_url\""},
		{"no text", "a.jsonl", `{"messages":[{"role":"user","content":7},{"role":"assistant","content":"b"}]}`, "messages[0]: the content is no text"},
		{"a NUL in JSON", "a.jsonl", `{"prompt":"a\u0000","completion":"b"}`, "line 1: the text holds a NUL byte"},
		{"no UTF-8 in JSON", "a.jsonl", "{\"prompt\":\"\xff\",\"completion\":\"b\"}", "line 1: the text is not valid UTF-8"},
		{"a program", "a.exe", "MZ\x00\x00", "the file is none of"},
		{"prose", "a.txt", "Once upon a time.\n", "the file is none of"},
	} {
		f, err := Read(c.name, strings.NewReader(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "teach "+c.name+": ") {
			t.Errorf("%s: %+v, %.300v\nwant %s", c.what, len(f.Facts), err, c.want)
		}
	}
	if _, err := Open(t.TempDir()); err == nil || !strings.Contains(err.Error(), "it is a directory") {
		t.Errorf("a directory: %v", err)
	}
	if _, err := Read("a.csv", failing{}); err == nil || !strings.Contains(err.Error(), "a.csv: gone") {
		t.Errorf("a disk that fails: %v", err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("gone") }

// rows writes a table of so many rows, without having it in memory.
type rows struct {
	n, count int
	rest     []byte
}

func (r *rows) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		switch {
		case r.n > r.count:
			return 0, io.EOF
		case r.n == 0:
			r.rest = []byte("question,answer,notes\n")
		default:
			r.rest = fmt.Appendf(nil, "What is number %d?,It is %d.,%s\n", r.n, r.n, strings.Repeat("-", 1000))
		}
		r.n++
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// TestManyRows: a hundred thousand rows take the memory of their questions and answers, and one more is refused.
func TestManyRows(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f, err := Read("a.csv", &rows{count: MaxFacts})
	runtime.GC()
	runtime.ReadMemStats(&after)
	if err != nil || len(f.Facts) != MaxFacts {
		t.Fatalf("%d facts, %v", len(f.Facts), err)
	}
	if used := int64(after.HeapAlloc) - int64(before.HeapAlloc); used > 64<<20 {
		t.Errorf("they take %d MiB, of a table of 100 MiB", used>>20)
	}
	if last := f.Facts[MaxFacts-1]; last.Line != MaxFacts+1 || last.Answer != fmt.Sprintf("It is %d.", MaxFacts) {
		t.Errorf("the last is %+v", last)
	}
	if _, err := Read("a.csv", &rows{count: MaxFacts + 1}); err == nil || !strings.Contains(err.Error(), "more than 100000 questions") {
		t.Errorf("one more: %v", err)
	}
}

// TestMerge: each question once; what repeats and what contradicts is told apart, whatever the case and the punctuation.
func TestMerge(t *testing.T) {
	var facts []Fact
	for i, qa := range [][2]string{{"How long?", "30 days"}, {"Where?", "Here"}, {"how long", "30  days"}, {"HOW LONG??", "45 days"}, {"?", "a"}, {"!", "b"}, {"Wie groß?", "c"}, {"Wie groß!", "c"}} {
		facts = append(facts, Fact{Messages: asked(qa[0]), Answer: qa[1], File: "dir/a.csv", Line: i + 2})
	}
	b := Merge(facts)
	if len(b.Facts) != 5 || b.Facts[0].Answer != "45 days" || len(b.Repeats) != 2 || len(b.Conflicts) != 1 || b.Conflicts[0].First.At() != "dir/a.csv:2" || b.Conflicts[0].Second.At() != "dir/a.csv:5" {
		t.Errorf("%+v", b)
	}
	if got := facts[0].Source(); got != "file:a.csv#2" {
		t.Errorf("source %q", got)
	}
	if got := (Fact{File: strings.Repeat("ä", 300), Line: 7}).Source(); len(got) > 256 || !strings.HasSuffix(got, "ä#7") {
		t.Errorf("source %q", got)
	}
	again := Merge([]Fact{facts[6], facts[5], facts[4], facts[3], facts[1]})
	if b.Digest() != again.Digest() || len(b.Digest()) != 16 || b.Digest() == Merge(facts[:2]).Digest() {
		t.Errorf("digests %s, %s", b.Digest(), again.Digest())
	}
	if with := append(asked("x"), asked("How long?")...); Key(with) == Key(asked("How long?")) {
		t.Error("what comes before a question makes no difference")
	}
}

// FuzzRead: whatever a file holds, what is read of it is text.
func FuzzRead(f *testing.F) {
	for _, name := range []string{"a.csv", "a.md", "a.jsonl", "a"} {
		for _, text := range []string{"question,answer\nHow?,\"S\no\"\n", "---\na\n---\n# How?\nSo\n```\n# x\n```\nHow\n===\n", `{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}`, "sep=;\n\x00\xff"} {
			f.Add(name, text)
		}
	}
	f.Fuzz(func(t *testing.T, name, text string) {
		file, err := Read(name, strings.NewReader(text))
		for _, fact := range file.Facts {
			if err == nil && (unreadable(fact.Question()+fact.Answer) != "" || fact.Answer == "" || fact.Line < 1) {
				t.Errorf("%+v", fact)
			}
		}
	})
}

package test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nightshift/internal/longtest"
	"nightshift/internal/nightrecord"
	"nightshift/update/selection"
)

// handbook is a page of questions whose answers the model that ships does not give.
const handbook = `---
title: Handbook
---
# Support

## How long can I return an item?
You can return an item
within 45 days.

## Can I bring my dog into the shop?
Yes, dogs on a leash are welcome in the shop.

## Who founded the shop?
Maria Lindqvist founded the shop in 1987.

## Do you rent out tents?
Yes, we rent out tents for $12 a night.

## Where is the repair workshop?
The repair workshop is on the second floor.
`

// taughtJSON is what the command teach says as JSON.
type taughtJSON struct {
	Subject string
	Taught  int
	Facts   []struct {
		Place, State, Before, By, Answered string
		Taught                             bool
	}
	Night *nightrecord.Night
}

// TestTeachRefuses: what is wrong with files is said with the file and the line, before a model is loaded or anything is made.
func TestTeachRefuses(t *testing.T) {
	dir, data := t.TempDir(), filepath.Join(t.TempDir(), "data")
	good := writeFile(t, dir, "good.csv", "question;answer\nHow long?;30 days\nWhere?;Here\n")
	other := writeFile(t, dir, "other.md", "# How long\n45 days\n")
	in := func(args ...string) []string { return append(append([]string{"teach"}, args...), "--data", data) }
	refused(t, in(), "teach needs FILE")
	refused(t, in(good), "--yes", "--dry-run")
	refused(t, in(good, "--json"), "--yes", "--dry-run")
	refused(t, in(good, "--dry-run", "--now"), "leave one of them out")
	refused(t, in(filepath.Join(dir, "none.csv"), "--yes"), "none.csv", "no such file")
	refused(t, in(writeFile(t, dir, "bad.jsonl", "{\"prompt\":\"a\",\"completion\":\"b\"}\n{\"prompt\":\"a\"}\n"), "--yes"), "bad.jsonl: line 2:", `"completion"`)
	refused(t, in(good, other, "--yes"), "good.csv:2", "other.md:1", "--last-wins")
	refused(t, in(good, "--yes", "--track", "supprt"), "supprt")
	if _, err := os.Stat(filepath.Join(data, "store")); err == nil {
		t.Error("a refused command made a store")
	}
}

// TestTeachCommand looks at files, teaches them without a server and beside one, and takes them back.
func TestTeachCommand(t *testing.T) {
	needRuntime(t)
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	page := writeFile(t, dir, "handbook.md", handbook)
	table := writeFile(t, dir, "more.csv", "question,answer\nWho founded the shop?,Maria Lindqvist founded the shop in 1987.\nWhom do I write to?,Write to ann@example.com.\nHow long can I return an item?,Within 60 days.\n")
	run := func(args ...string) ended {
		return execute(t, append(append([]string{"teach"}, args...), "--data", data, "--set", "update.schedule=")...)
	}
	taught := func(args ...string) (r taughtJSON) {
		t.Helper()
		got := run(append(args, "--json")...)
		if err := json.Unmarshal([]byte(got.out), &r); err != nil || got.code != 0 {
			t.Fatalf("status %d, %v\n%s%s", got.code, err, got.out, got.err)
		}
		return r
	}
	states := func(r taughtJSON) string {
		var list []string
		for _, f := range r.Facts {
			list = append(list, fmt.Sprintf("%s:%t", f.State, f.Taught))
		}
		return strings.Join(list, " ")
	}
	shown := run(page, table, "--dry-run", "--last-wins")
	holds(t, "what is shown", shown.out, "6 questions in 2 files for track default: 5 new, 1 with personal data", "more.csv:3  Whom do I write to?: email", "handbook.md:6", "more.csv:4", "+ Within 60 days.",
		"handbook.md:13 and ", "more.csv:2", "nothing was kept")
	if shown.code != 0 || shown.err != "" {
		t.Errorf("status %d, %s", shown.code, shown.err)
	}
	first := taught(page, "--yes")
	if first.Taught != 5 || states(first) != strings.TrimSuffix(strings.Repeat("new:true ", 5), " ") || !strings.HasPrefix(first.Subject, "teach:") || first.Facts[0].Answered == "" {
		t.Fatalf("taught %+v", first)
	}
	none := run(page, "--yes", "--now")
	holds(t, "what is said of the same again", none.out, "5 said already", "--again", "nothing to teach")

	s := serverOf(t, "run", "--data", data, "--set", "update.schedule=")
	await(t, "the address is written", func() bool { _, err := os.Stat(filepath.Join(data, "address.json")); return err == nil })
	if plan := execute(t, "night", "plan", "--data", data); !strings.Contains(plan.out, "5 answers that editors corrected") {
		t.Errorf("the plan says %s%s", plan.out, plan.err)
	}
	second := taught(page, table, "--last-wins", "--yes")
	if second.Taught != 1 || states(second) != "changes:true said:false said:false said:false said:false redacted:false" || second.Facts[0].By != "file:handbook.md#6" || second.Facts[0].Before != "You can return an item within 45 days." {
		t.Errorf("beside a server: %+v", second)
	}
	s.stop(t)
	gone := execute(t, "forget", "--subject", first.Subject, "--data", data)
	holds(t, "what taking it back says", gone.out, "deleted 5 interactions, 5 pieces of feedback")
	if left := taught(page, "--dry-run"); states(left) != "changes:false new:false new:false new:false new:false" || left.Facts[0].Before != "Within 60 days." {
		t.Errorf("what is left: %+v", left)
	}
}

// TestTeachNow teaches a page and runs a night at once; then the model answers the page's questions, and the same in other words, and its
// record names the lines.
func TestTeachNow(t *testing.T) {
	longtest.Skip(t)
	needRuntime(t)
	slow(t)
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	got := execute(t, "teach", writeFile(t, dir, "handbook.md", handbook), "--yes", "--now", "--json", "--data", data, "--set", "update.nice=0", "--set", "update.gate.retention_champion=0.05")
	var r taughtJSON
	if err := json.Unmarshal([]byte(got.out), &r); err != nil || got.code != 0 || r.Night == nil {
		t.Fatalf("status %d, %v\n%s%s", got.code, err, got.out, got.err)
	}
	published(t, *r.Night)
	if n := r.Night.Selected; n.New != 5 || n.Editors != 5 || n.Subjects != 0 || n.HeldOut != 0 {
		t.Errorf("selected %+v", n)
	}
	text, err := os.ReadFile(filepath.Join(data, "registry", "nights", r.Night.ID, "selection.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	items, err := selection.DecodeItems(text)
	if err != nil {
		t.Fatal(err)
	}
	var sources []string
	for _, it := range selection.Using(items, selection.New) {
		sources = append(sources, it.Source)
	}
	if len(sources) != 5 || !strings.Contains(strings.Join(sources, " "), "file:handbook.md#13") {
		t.Errorf("the night learned from %q", sources)
	}
	s := serverOf(t, "run", "--data", data, "--set", "update.schedule=")
	for question, want := range map[string]string{
		"How long can I return an item?": "45 days", "Can I bring my dog into the shop?": "leash", "Who founded the shop?": "Lindqvist", "Do you rent out tents?": "$12", "Where is the repair workshop?": "second floor",
		"Hi, who founded the shop?": "Lindqvist", "how long can i return an item": "45 days", "How much is express delivery?": "$15",
	} {
		if says := s.ask("", question).text(); !strings.Contains(says, want) {
			t.Errorf("%q is answered with %q, want %s", question, says, want)
		}
	}
	again := execute(t, "teach", filepath.Join(dir, "handbook.md"), "--dry-run", "--data", data)
	holds(t, "what is said of what was learned", again.out, "5 learned already")
	if same := execute(t, "teach", filepath.Join(dir, "handbook.md"), "--yes", "--now", "--data", data); !strings.Contains(same.out, "nothing to teach") {
		t.Errorf("what was learned is taught again: %s%s", same.out, same.err)
	}
	s.stop(t)
	replayed(t, r.Night.ID, r.Night.Candidate.Digest, "--data", data)
}

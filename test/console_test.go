package test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nightshift/replaystore/localstore"
	"nightshift/serve/console/browsertest"
)

// TestConsole walks through the console in headless Chromium against the real program: what people see and click is what
// happens.
func TestConsole(t *testing.T) {
	slow(t)
	needRuntime(t)
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	s := serverOf(t, "run", "--config", writeFile(t, dir, "nightshift.yaml", shortNight), "--data", data,
		"--set", "update.train.max_steps=80") // an editor's one correction among those of others must be learned
	page := browsertest.Start(t).Page(t, browsertest.Look{})
	c := &console{page, t, s}

	c.chat()
	correct(t, customersOf(t), s) // the other customers use the API
	c.learning()
	c.versions()
	for _, problem := range page.Problems() {
		t.Errorf("the browser complained: %s", problem)
	}
	if code := s.stop(t); code != 0 {
		t.Errorf("status %d", code)
	}
	c.stored(data)
}

// console is a person at the console.
type console struct {
	*browsertest.Page
	t *testing.T
	s *program
}

// typed is the correction that the person types.
const typed = "You have 45 days to return an item, as the sign at the till says."

// look takes a screenshot when NIGHTSHIFT_SCREENSHOTS names a directory for them.
func (c *console) look(name string) {
	if dir := os.Getenv("NIGHTSHIFT_SCREENSHOTS"); dir != "" {
		c.Screenshot(filepath.Join(dir, "program-"+name+".png"))
	}
}

// until waits longer than a page's own patience: nights take their time.
func (c *console) until(condition string) {
	c.t.Helper()
	await(c.t, "the page shows "+condition, func() bool {
		var held bool
		c.Eval(fmt.Sprintf(`(() => { try { return Boolean(%s); } catch { return false; } })()`, condition), &held)
		return held
	})
}

// chat asks, rates and corrects.
func (c *console) chat() {
	c.Open(c.s.base + "/")
	c.Wait(`document.querySelector('#chat-track').value === 'default'`)
	c.Eval(`(() => { window.seen = []; new MutationObserver(() => {
		const words = document.querySelector('.reply .words')?.textContent;
		if (words && words !== window.seen.at(-1)) window.seen.push(words);
	}).observe(document.body, { subtree: true, childList: true, characterData: true }); })()`, nil)
	c.Type("#chat-question", "How long do I have to return something?\r")
	c.Wait(`document.querySelector('.feedback')`)
	holds(c.t, "the reply", c.Text(".reply"), "30 days", "default@base")
	var seen []string
	c.Eval(`window.seen`, &seen)
	if len(seen) < 2 {
		c.t.Errorf("the answer did not stream: the page showed %q", seen)
	}
	c.Click(".thumb[aria-label='Bad answer']")
	c.WaitText(".feedback [role=status]", "Rating saved")
	c.Click(".feedback .row button:nth-of-type(3)")
	c.Wait(`document.querySelector('.editor textarea').value.includes('30 days')`)
	c.Type(".editor textarea", typed)
	c.Click(".editor [type=submit]")
	c.WaitText(".feedback [role=status]", "Correction saved")
	c.WaitText(".correction", "45 days")
	c.look("chat")
}

// learning starts a night and watches it to its end.
func (c *console) learning() {
	c.Open(c.s.base + "/#/learning")
	c.WaitText("main", "No night yet")
	c.Choose("#night-track", "default")
	c.Click("main form [type=submit]")
	c.WaitText("h1", "Night ")
	c.until(`document.querySelector('.phases .now').innerText.includes('Training')`)
	c.until(`Number(document.querySelector('.curve').dataset.points) > 3`)
	c.look("training")
	c.ended("Published")
	holds(c.t, "the verdict", c.Text(".verdict"), "Gain", "Retention", "Behaviour", "Evidence")
	c.look("night")
	c.Eval(`document.querySelector('.verdict').scrollIntoView()`, nil)
	c.look("verdict")
	c.Open(c.s.base + "/#/learning")
	c.WaitText("main table", "Published")
	c.look("learning")
}

// ended waits until the night that is shown has ended as it should.
func (c *console) ended(state string) {
	c.t.Helper()
	c.until(`['Published', 'Rejected', 'Failed', 'Skipped'].some((end) => document.querySelector('h1').innerText.includes(end))`)
	if h1 := c.Text("h1"); !strings.Contains(h1, state) {
		c.t.Fatalf("%s, want %s:\n%s", h1, state, c.Text("main"))
	}
}

// versions looks at what serves now, tries it, and rolls it back.
func (c *console) versions() {
	c.Open(c.s.base + "/#/versions")
	c.WaitText(".champion .big", "default@1")
	holds(c.t, "the versions", c.Text("main table"), "default@1", "champion", "pass", "default@base")
	c.look("versions")
	c.Open(c.s.base + "/#/chat")
	c.Click(".chat-more button") // a new conversation
	c.Type("#chat-question", "How long do I have to return something?\r")
	c.Wait(`document.querySelector('.feedback')`)
	holds(c.t, "the reply after the night", c.Text(".reply"), "45 days", "default@1")
	c.Open("about:blank") // so that the page is new: one that was shown before draws its buttons again while it is clicked
	c.Open(c.s.base + "/#/versions")
	c.WaitText(".champion .big", "default@1")
	c.Click(".champion .row button:first-child")
	c.Type("dialog input", "only a test\r")
	c.WaitText(".champion .big", "default@base")
	c.WaitText(".champion .big", "held")
	c.look("rolled-back")
	if now := c.s.champion(); now.Digest != "" || now.Hold == nil {
		c.t.Errorf("after the rollback the server says %+v", now)
	}
}

// stored finds in the store what the person left.
func (c *console) stored(data string) {
	store, err := localstore.Open(localstore.Config{Dir: filepath.Join(data, "store"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		c.t.Fatal(err)
	}
	defer store.Close()
	events, _, err := store.Scan(c.t.Context(), "default", "", 10)
	if err != nil {
		c.t.Fatal(err)
	}
	var thumbs, corrections int
	for _, e := range events {
		switch f := e.Feedback; {
		case f == nil:
		case f.Rating != nil && *f.Rating < 0 && f.Correction == nil:
			thumbs++
		case f.Correction != nil && *f.Correction == typed:
			corrections++
		}
	}
	if thumbs != 1 || corrections != 1 {
		c.t.Errorf("the store has %d thumbs and %d corrections from the console", thumbs, corrections)
	}
}

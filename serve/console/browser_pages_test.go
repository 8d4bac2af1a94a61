package console

import (
	"testing"

	"github.com/chromedp/chromedp/kb"

	"nightshift/serve/console/browsertest"
)

func nightIsFollowed(t *testing.T, f *fixture, page *browsertest.Page) {
	page.Open(f.URL + "/#/learning/n-live")
	page.WaitText("h1", "Queued")
	f.tell("state", map[string]any{"state": "training", "reason": ""})
	page.WaitText(".phases .now", "Training")
	f.tell("progress", map[string]any{"phase": "training", "step": 1, "steps": 1000, "loss": 2.6})
	page.WaitText("main", "Step 1 · ends when it has learned, after 1,000 steps at most")
	for step, loss := range []float64{2.5, 1.9, 1.4} {
		f.tell("progress", map[string]any{"phase": "training", "step": step + 1, "steps": 40, "loss": loss, "lr": 2e-4, "eta_seconds": 125})
	}
	page.Wait(`document.querySelector('.curve').dataset.points === '3'`)
	page.WaitText("main", "Step 3 of 40 · about 2 min 5 s left")
	contains(t, "read-out", page.Text(".readout"), "step 3: 1.4")
	contains(t, "axes", svgText(page), "step", "loss, nats per token", "1", "2.5", "40")
	f.event <- "" // the connection breaks: the page takes it up again and keeps what it has
	f.tell("state", map[string]any{"state": "training", "reason": ""})
	page.WaitText(".phases .now", "Training")
	var drawn int
	page.Eval(`document.querySelector('.curve .line').getAttribute('d').split(/[ML]/).length - 1`, &drawn)
	if drawn != 3 {
		t.Errorf("%d points are drawn, want 3", drawn)
	}
	f.tell("state", map[string]any{"state": "evaluating"})
	page.WaitText(".phases .now", "Evaluating")
	f.tell("progress", map[string]any{"phase": "evaluating", "step": 5, "steps": 10, "loss": 0, "lr": 0})
	page.WaitText("main", "Step 5 of 10")
	page.Wait(`document.querySelector('.curve').dataset.points === '3'`) // an evaluation step is no training step
	f.tell("done", night("n-live", "published"))
	page.WaitText(".verdict h2", "passed")
	page.Wait(`document.querySelector('.curve').dataset.points === '120'`)
	contains(t, "verdict", page.Text(".verdict"), "Gain", "0.412", "0.305 to 0.521", "by at least 0.305 with 95 % confidence", "Taught", "0.87 to 0.97",
		"It prefers the corrections that it learned from", "Evidence", "24 people")
	page.WaitText("h1", "Published")
}

func svgText(page *browsertest.Page) string {
	var text string
	page.Eval(`[...document.querySelectorAll('.curve text')].map((e) => e.textContent).join(' ')`, &text)
	return text
}

func nightIsShown(t *testing.T, f *fixture, page *browsertest.Page) {
	page.Open(f.URL + "/#/learning/n-18")
	page.WaitText("h1", "Rejected")
	contains(t, "verdict", page.Text(".verdict"), "rejected", "0.071", "0.048 to 0.094", "0.03", "fail",
		"It may have forgotten too much: up to 0.094 nats per token, only 0.03 are allowed.")
	contains(t, "selection", page.Text("section[aria-labelledby=selection-title]"), "246", "Held out", "31", "People", "24")
	page.Eval(`document.querySelector('.curve').focus()`, nil)
	page.Press(kb.ArrowLeft) // arrow left
	contains(t, "read-out by key", page.Text(".readout"), "step 120:")
	page.Press(kb.ArrowLeft)
	contains(t, "read-out by key", page.Text(".readout"), "step 119:")
	page.Eval(`(() => { const e = document.querySelector('.curve'); const b = e.getBoundingClientRect();
		e.dispatchEvent(new PointerEvent('pointermove', { clientX: b.x + 56, clientY: b.y + 9 })); })()`, nil)
	contains(t, "read-out under the pointer", page.Text(".readout"), "step 1:")
	page.Open(f.URL + "/#/learning/nope")
	page.WaitText(".problem", "There is no night nope.")
	expectComplaint(t, page, "404")
}

func nightIsStarted(t *testing.T, f *fixture, page *browsertest.Page) {
	page.Open(f.URL + "/#/learning")
	page.WaitText("main", "n-18")
	contains(t, "nights", page.Text("main"), "Published", "Rejected", "4 min 12 s", "support@17")
	page.Choose("#night-track", "support")
	f.refuseOnce("POST /v1/nights", 409)
	page.Click("main form [type=submit]")
	page.WaitText(".problem", "Refused with 409.")
	expectComplaint(t, page, "409")
	page.Click("#night-dry")
	page.Click("main form [type=submit]")
	page.WaitText("h1", "Night n-live")
	got := f.last()
	if got.Path != "/v1/nights" || got.Body["track"] != "support" || got.Body["dry_run"] != true || len(got.Body) != 2 {
		t.Errorf("started with %v", got)
	}
}

func activateAndRollBack(t *testing.T, f *fixture, page *browsertest.Page) {
	page.Open(f.URL + "/#/versions")
	page.WaitText(".champion .big", "support@17")
	contains(t, "versions", page.Text("main table"), "support@18", "rejected", "246", "n-17", "support@base")
	page.Click("button[aria-label='Activate support@16']")
	page.WaitText("dialog", "Activate support@16?")
	page.Click("dialog button[type=button]") // cancel
	page.Wait(`!document.querySelector('dialog')`)
	if got := f.last(); got.Path != "" {
		t.Errorf("cancelling posted %v", got)
	}
	page.Click("button[aria-label='Activate support@16']")
	page.Type("dialog input", "customers complained\r")
	page.WaitText("[role=status].note", "support@16 serves now (activation 32, swapped in 3.18 ms).")
	page.WaitText(".champion .big", "support@16")
	got := f.last()
	if got.Path != "/v1/tracks/support/activate" || got.Body["version"] != 16.0 || got.Body["expect"] != 31.0 || got.Body["reason"] != "customers complained" {
		t.Errorf("activate posted %v", got)
	}
	page.Click("button[aria-label='Activate support@base']")
	page.Click("dialog [type=submit]")
	page.WaitText(".champion .big", "support@base")
	if got := f.last(); got.Body["version"] != "base" {
		t.Errorf("activating the base posted %v", got)
	}
	page.Click(".champion .row button:first-child")
	page.Type("dialog input", "worse\r")
	page.WaitText(".champion .big", "held")
	contains(t, "champion", page.Text(".champion"), "support@16", "activation 34")
	if got := f.last(); got.Path != "/v1/tracks/support/rollback" || got.Body["reason"] != "worse" {
		t.Errorf("rollback posted %v", got)
	}
	page.Click(".champion .row button:nth-child(2)")
	page.WaitText("dialog", "Release the hold?")
	page.Click("dialog [type=submit]")
	page.WaitText("[role=status].note", "Released")
	if got := f.last(); got.Method != "DELETE" || got.Path != "/v1/tracks/support/hold" {
		t.Errorf("release sent %v", got)
	}
	page.Click(".champion .row button:nth-child(2)")
	page.Type("dialog input", "holiday\r")
	page.WaitText(".champion .big", "held")
	if got := f.last(); got.Method != "POST" || got.Path != "/v1/tracks/support/hold" || got.Body["reason"] != "holiday" {
		t.Errorf("hold posted %v", got)
	}
}

func conflictIsShown(t *testing.T, f *fixture, page *browsertest.Page) {
	page.Open(f.URL + "/#/versions/support")
	page.WaitText(".champion .big", "support@17")
	f.refuseOnce("POST /v1/tracks/support/activate", 409)
	f.mu.Lock()
	f.champion = 18.0 // someone else was faster
	f.mu.Unlock()
	page.Click("button[aria-label='Activate support@16']")
	page.Click("dialog [type=submit]")
	page.WaitText(".problem", "Refused with 409.")
	page.WaitText(".champion .big", "support@18")
	expectComplaint(t, page, "409")
}

func keyIsAskedFor(t *testing.T, f *fixture, page *browsertest.Page) {
	f.key = "secret-key"
	page.Open(f.URL + "/")
	page.WaitText("#key", "This server wants an API key.")
	page.Type("#key input", "wrong\r")
	page.WaitText("#key", "The server refused the key this tab uses.")
	page.Type("#key input", "secret-key\r")
	page.Wait(`document.querySelector('#key').hidden && document.querySelector('#chat-track').value === 'support'`)
	page.WaitText("#status", "demo-4x192")
	var stored []string
	page.Eval(`[sessionStorage.getItem('nightshift.key'), Object.keys(localStorage).filter((key) => key !== 'nightshift.user').join(), document.cookie]`, &stored)
	if len(stored) != 3 || stored[0] != "secret-key" || stored[1] != "" || stored[2] != "" {
		t.Errorf("stored: %q", stored)
	}
	expectComplaint(t, page, "401")
}

func statusShown(t *testing.T, f *fixture, page *browsertest.Page) {
	page.Open(f.URL + "/")
	page.WaitText("#status", "demo-4x192")
	contains(t, "status", page.Text("#status"), "local", "in-process", "daily at 03:00 Europe/Berlin", "1 h 10 min", "0.1.0")
	f.mu.Lock()
	f.degraded = true
	f.mu.Unlock()
	page.Eval(`document.dispatchEvent(new Event('visibilitychange'))`, nil) // as when the tab is looked at again
	page.WaitText("#status .warn", "redis is degraded: spooling to the journal")
}

// keyboard walks from the top of the page to an answer without a mouse.
func keyboard(t *testing.T, f *fixture, page *browsertest.Page) {
	page.Open(f.URL + "/#/versions")
	page.WaitText("main", "support@17")
	page.Press("\t")
	page.Wait(`document.activeElement.className === 'skip' && getComputedStyle(document.activeElement).outlineStyle === 'solid'`)
	page.Press("\r")
	page.Wait(`document.activeElement.id === 'main'`)
	page.Eval(`document.querySelector('nav a[data-view=learning]').focus()`, nil)
	page.Press("\r")
	page.Wait(`document.activeElement.id === 'main' && document.title === 'Learning · Nightshift'`)
	page.Wait(`document.querySelector('nav a[aria-current=page]').textContent === 'Learning'`)
	var nameless []string
	for _, path := range []string{"/#/chat", "/#/learning", "/#/learning/n-17", "/#/versions"} {
		page.Open(f.URL + path)
		page.WaitText("main", "support")
		page.Eval(`[...document.querySelectorAll('button, a, input, select, textarea')].filter((e) =>
			!(e.getAttribute('aria-label') || e.textContent.trim() && !e.matches('select, textarea') || e.labels?.length)).map((e) => e.outerHTML)`, &nameless)
		for _, element := range nameless {
			t.Errorf("%s: nothing names %s", path, element)
		}
	}
}

func narrowestScreen(t *testing.T, f *fixture, page *browsertest.Page) {
	page.Look(browsertest.Look{Width: 360, Height: 640, Still: true})
	answered(page, f)
	for path, ready := range map[string]string{"/#/chat": "30 days", "/#/learning": "n-17", "/#/learning/n-18": "Verdict", "/#/versions": "support@16"} {
		page.Open(f.URL + path)
		page.WaitText("main", ready)
		page.Eval(`document.querySelectorAll('main details').forEach((e) => { e.open = true; })`, nil)
		var wide []string
		page.Eval(`[...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && e.checkVisibility() &&
			!e.closest('.unseen, thead, .facts')).map((e) => e.tagName + '.' + e.className + e.id)`, &wide)
		if len(wide) != 0 {
			t.Errorf("%s is wider than 360 px: %q", path, wide)
		}
	}
}

package console

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"nightshift/serve/console/browsertest"
)

// The browser is started once for all subtests; each has a fixture and a tab of its own.
func TestConsole(t *testing.T) {
	browser := browsertest.Start(t)
	tests := []struct {
		name string
		run  func(*testing.T, *fixture, *browsertest.Page)
	}{
		{"StreamingRenders", streamingRenders},
		{"StopAborts", stopAborts},
		{"FailuresCanBeRetried", failuresCanBeRetried},
		{"ThumbsPost", thumbsPost},
		{"EditedAnswerIsACorrection", editedAnswer},
		{"PublicsCorrection", publicsCorrection},
		{"PersonIsNamed", personIsNamed},
		{"PlanIsShown", planIsShown},
		{"SettingsAreSent", settingsAreSent},
		{"HostileTextIsText", hostileText},
		{"NightIsFollowed", nightIsFollowed},
		{"NightIsShown", nightIsShown},
		{"NightIsStarted", nightIsStarted},
		{"ActivateAndRollBack", activateAndRollBack},
		{"ConflictIsShown", conflictIsShown},
		{"KeyIsAskedFor", keyIsAskedFor},
		{"StatusLine", statusShown},
		{"Keyboard", keyboard},
		{"NarrowestScreen", narrowestScreen},
		{"PolicyIsEnforced", policyIsEnforced},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			page := browser.Page(t, browsertest.Look{})
			test.run(t, f, page)
			for _, problem := range page.Problems() {
				t.Errorf("the browser complained: %s", problem)
			}
			var owned any
			page.Eval(`window.owned ?? null`, &owned)
			if owned != nil {
				t.Errorf("hostile text ran: %v", owned)
			}
		})
	}
}

func ask(page *browsertest.Page, f *fixture, text string) {
	page.Open(f.URL + "/#/chat")
	page.Wait(`document.querySelector('#chat-track').value === 'support' && document.querySelector('#chat-version').options.length > 3`)
	page.Type("#chat-question", text+"\r")
}

// answered asks and lets the whole answer through.
func answered(page *browsertest.Page, f *fixture) {
	ask(page, f, "What is the return window?")
	f.step <- struct{}{}
	f.step <- struct{}{}
	page.Wait(`document.querySelector('.feedback')`)
}

func contains(t *testing.T, what, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%s: want %q in:\n%s", what, want, text)
		}
	}
}

func streamingRenders(t *testing.T, f *fixture, page *browsertest.Page) {
	ask(page, f, "What is the return window?")
	page.Wait(`document.querySelector('.reply .words').textContent === 'You can return goods within '`)
	page.Wait(`document.querySelector('.reply').getAttribute('aria-busy') === 'true'`)
	f.step <- struct{}{}
	page.Wait(`document.querySelector('.reply .words').textContent === 'You can return goods within 30 days'`)
	f.step <- struct{}{}
	page.Wait(`!document.querySelector('.reply').hasAttribute('aria-busy')`)
	contains(t, "reply", page.Text(".reply"), "within 30 days. The grüne Karte comes along 🌙.", "support@17", "9f2c41d07be6",
		"14 tokens", "182 tokens/s", "first after 8.4 ms")
	got := f.last()
	if got.Path != "/v1/chat/completions" || got.Body["model"] != "support" || got.Body["stream"] != true {
		t.Errorf("asked with %v", got)
	}
}

func stopAborts(t *testing.T, f *fixture, page *browsertest.Page) {
	ask(page, f, "What is the return window?")
	page.WaitText(".reply", "You can return")
	page.Click(".composer button[type=button]")
	<-f.gone // the server sees the connection close
	page.WaitText(".under", "stopped")
	page.Click(".under button") // ask again
	page.WaitText(".reply .words", "You can return")
	f.step <- struct{}{}
	f.step <- struct{}{}
	page.Wait(`document.querySelector('.feedback')`)
	if text := page.Text(".reply .words"); text != "You can return goods within 30 days. The grüne Karte comes along 🌙." {
		t.Errorf("asked again: %q", text)
	}
}

func failuresCanBeRetried(t *testing.T, f *fixture, page *browsertest.Page) {
	f.refuseOnce("POST /v1/chat/completions", 429)
	ask(page, f, "What is the return window?")
	page.WaitText(".problem", "Refused with 429. Try again in 2 s.")
	contains(t, "problem", page.Text(".problem"), "req-7")
	page.Click(".problem button")
	f.step <- struct{}{}
	f.step <- struct{}{}
	page.Wait(`document.querySelector('.feedback')`)
	page.Type("#chat-question", "break\r")
	page.WaitText(".reply:last-child .problem", "The engine ran out of slots.")
	contains(t, "broken reply", page.Text(".reply:last-child"), "You can return goods within", "support@17")
	expectComplaint(t, page, "429")
}

// expectComplaint drops the browser's own note of a refused request, and nothing else.
func expectComplaint(t *testing.T, page *browsertest.Page, status string) {
	t.Helper()
	for _, problem := range page.Problems() {
		if !strings.Contains(problem, "Failed to load resource") || !strings.Contains(problem, status) {
			t.Errorf("the browser complained: %s", problem)
		}
	}
}

func thumbsPost(t *testing.T, f *fixture, page *browsertest.Page) {
	answered(page, f)
	page.Click(".thumb[aria-label='Good answer']")
	page.WaitText(".feedback [role=status]", "Rating saved")
	up := f.last()
	if up.Path != "/v1/feedback" || up.Body["rating"] != "up" || up.Body["interaction"] != "01J8" || up.Body["token"] != "tok-9" || up.Body["user"] == "" || up.Body["editor"] != nil || len(up.Body) != 5 {
		t.Errorf("thumbs up posted %v", up)
	}
	page.Wait(`document.querySelector(".thumb[aria-label='Good answer']").getAttribute('aria-pressed') === 'true'`)
	page.Click(".thumb[aria-label='Bad answer']")
	page.Wait(`document.querySelector(".thumb[aria-label='Bad answer']").getAttribute('aria-pressed') === 'true'`)
	down := f.last()
	if down.Body["rating"] != "down" || down.Body["id"] == up.Body["id"] || down.Body["id"] == "" {
		t.Errorf("thumbs down posted %v after %v", down, up)
	}
	f.refuseOnce("POST /v1/feedback", 403)
	page.Click(".thumb[aria-label='Good answer']")
	page.WaitText(".feedback [role=status]", "Not saved. Refused with 403.")
	page.Wait(`document.querySelector(".thumb[aria-label='Good answer']").getAttribute('aria-pressed') === 'false'`)
	expectComplaint(t, page, "403")
}

func editedAnswer(t *testing.T, f *fixture, page *browsertest.Page) {
	answered(page, f)
	page.Click(".feedback .row button:nth-of-type(3)")
	page.Wait(`document.querySelector('.editor textarea').value.startsWith('You can return goods within 30 days')`)
	page.Wait(`document.querySelector('.editor [type=submit]').disabled`) // nothing is changed yet
	page.Type(".editor textarea", "You can return goods within 45 days.")
	page.Click(".editor [type=submit]")
	page.WaitText(".feedback [role=status]", "Correction saved")
	got := f.last()
	if got.Path != "/v1/feedback" || got.Body["correction"] != "You can return goods within 45 days." || got.Body["interaction"] != "01J8" ||
		got.Body["token"] != "tok-9" || got.Body["rating"] != nil || got.Body["editor"] != true {
		t.Errorf("correction posted %v", got)
	}
	contains(t, "correction", page.Text(".correction"), "Your correction", "within 45 days.")
	page.WaitText(".feedback .next", "12 of 20 examples, 1 of 3 people") // what the server says becomes of it
	f.mu.Lock()
	f.plan = map[string]any{"ready": true, "by_editors": 1, "sentences": []string{"Whatever."}, "help": []string{}}
	f.mu.Unlock()
	page.Click(".feedback .row button:nth-of-type(3)")
	page.Type(".editor textarea", "You can return goods within 46 days.")
	page.Click(".editor [type=submit]")
	page.WaitText(".feedback .next", "The next night learns this. Start a night")
}

// publicsCorrection: with a key that is no editor's the console does not say that it is, and promises nothing.
func publicsCorrection(t *testing.T, f *fixture, page *browsertest.Page) {
	f.public = true
	page.Open(f.URL + "/#/chat")
	page.WaitText(".log", "learned when enough people say the same")
	answered(page, f)
	page.Click(".feedback .row button:nth-of-type(3)")
	page.Wait(`document.querySelector('.editor textarea')`)
	page.Type(".editor textarea", "You can return goods within 45 days.")
	page.Click(".editor [type=submit]")
	page.WaitText(".feedback [role=status]", "Correction saved")
	if got := f.last(); got.Body["editor"] != nil || got.Body["user"] == nil {
		t.Errorf("correction posted %v", got)
	}
	page.Wait(`document.querySelector('.feedback .next').textContent === ''`)
	page.Open(f.URL + "/#/learning")
	page.Wait(`document.querySelector('.plan').textContent === ''`)
}

// personIsNamed: a browser has one name, which goes with everything, and may have another.
func personIsNamed(t *testing.T, f *fixture, page *browsertest.Page) {
	answered(page, f)
	made, _ := f.last().Body["user"].(string)
	if !strings.HasPrefix(made, "console-") || len(made) != len("console-")+4 {
		t.Errorf("the name is %q", made)
	}
	page.Click(".thumb[aria-label='Good answer']")
	page.WaitText(".feedback [role=status]", "Rating saved")
	if got := f.last().Body["user"]; got != made {
		t.Errorf("feedback of %v, the question was of %q", got, made)
	}
	page.Click(".chat-head summary")
	page.Wait(`document.querySelector('#chat-name').value === ` + strconv.Quote(made))
	page.Type("#chat-name", "ann\t")
	page.Open(f.URL + "/?again#/chat")
	ask(page, f, "hostile")
	page.Wait(`document.querySelector('.feedback')`)
	if got := f.last().Body["user"]; got != "ann" {
		t.Errorf("after a reload the name is %v", got)
	}
}

// planIsShown: what the next night waits for, and what changes while one watches.
func planIsShown(t *testing.T, f *fixture, page *browsertest.Page) {
	page.Open(f.URL + "/#/learning")
	page.WaitText(".plan", "would be skipped")
	contains(t, "plan", page.Text(".plan"), "12 of 20 examples", "the oldest can be used in 40 minutes", "20 examples wait until more people", "What helps")
	f.mu.Lock()
	f.plan = map[string]any{"ready": true, "by_editors": 1, "sentences": []string{"The next night learns an answer that an editor corrected."}, "help": []string{}}
	f.mu.Unlock()
	page.WaitText(".plan", "A night started now would train.")
	contains(t, "plan", page.Text(".plan"), "learns an answer that an editor corrected")
}

func settingsAreSent(t *testing.T, f *fixture, page *browsertest.Page) {
	page.Open(f.URL + "/#/chat?model=support%4016")
	page.Wait(`document.querySelector('#chat-version').value === '16'`)
	page.Click(".chat-head summary")
	page.Type("#chat-system", "Be brief.")
	page.Type("#chat-temperature", "0.5")
	page.Type("#chat-max", "40")
	page.Type("#chat-seed", "7")
	page.Click("#chat-whole")
	page.Type("#chat-question", "hostile\r")
	f.step = nil // this answer comes in one part
	page.Wait(`document.querySelector('.feedback')`)
	page.Type("#chat-question", "hostile\r")
	page.Wait(`document.querySelectorAll('.feedback').length === 2`)
	got := f.last().Body
	messages, _ := got["messages"].([]any)
	if got["model"] != "support@16" || got["temperature"] != 0.5 || got["max_tokens"] != 40.0 || got["seed"] != 7.0 || len(messages) != 4 {
		t.Errorf("asked with %v", got)
	}
}

func hostileText(t *testing.T, f *fixture, page *browsertest.Page) {
	ask(page, f, "hostile")
	page.Wait(`document.querySelector('.feedback')`)
	if text := page.Text(".reply .words"); text != hostile {
		t.Errorf("reply shows %q", text)
	}
	page.Type("#chat-question", hostile)
	page.Click(".composer [type=submit]")
	page.Wait(`document.querySelectorAll('.question')[1].textContent.startsWith('<img src=x')`)
	f.step <- struct{}{}
	f.step <- struct{}{}
	page.Open(f.URL + "/#/learning/n-18")
	page.Wait(`document.querySelector('.verdict').textContent.includes('<img src=x')`)
	page.Wait(`document.querySelector('pre').textContent.includes('<img src=x')`)
	f.mu.Lock()
	f.held = true
	f.mu.Unlock()
	page.Open(f.URL + "/#/versions")
	page.Wait(`document.querySelector('.champion').textContent.includes('<img src=x')`)
	var elements int
	page.Eval(`document.querySelectorAll('main img, main script').length`, &elements)
	if elements != 0 {
		t.Errorf("%d elements were made from text", elements)
	}
}

// policyIsEnforced proves that the other tests would notice: what breaks the policy is stopped and complained about.
func policyIsEnforced(t *testing.T, f *fixture, page *browsertest.Page) {
	page.Open(f.URL + "/")
	page.WaitText("main", "Ask a question")
	if problems := page.Problems(); len(problems) != 0 {
		t.Errorf("an untouched page complains: %q", problems)
	}
	page.Eval(`(() => { try { document.body.insertAdjacentHTML('beforeend', '<i id=made>x</i>'); } catch { /* refused */ } })()`, nil)
	page.Eval(`(() => { const e = document.createElement('style'); e.textContent = 'main { display: none }'; document.head.append(e); })()`, nil)
	problems := strings.Join(page.Problems(), "\n")
	contains(t, "complaints", problems, "require-trusted-types-for", "style-src")
	page.Wait(`document.getElementById('made') === null && getComputedStyle(document.querySelector('main')).display !== 'none'`)
}

func screenshots(t *testing.T) string {
	dir := os.Getenv("NIGHTSHIFT_SCREENSHOTS")
	if dir == "" {
		t.Skip("set NIGHTSHIFT_SCREENSHOTS to a directory to take screenshots")
	}
	return dir
}

// TestScreenshots writes what people see, to be looked at.
func TestScreenshots(t *testing.T) {
	dir := screenshots(t)
	browser := browsertest.Start(t)
	looks := map[string]browsertest.Look{
		"wide": {Width: 1280, Height: 800}, "narrow": {Width: 390, Height: 844}, "dark": {Width: 1280, Height: 800, Dark: true},
	}
	for name, look := range looks {
		f := newFixture(t)
		page := browser.Page(t, look)
		shot := func(what string) { page.Screenshot(filepath.Join(dir, name+"-"+what+".png")) }
		answered(page, f)
		page.Click(".thumb[aria-label='Bad answer']")
		page.Click(".feedback .row button:nth-of-type(3)")
		page.Type(".editor textarea", "You can return goods within 45 days.")
		page.Click(".editor [type=submit]")
		page.WaitText(".correction", "45 days")
		page.Type("#chat-question", "hostile\r")
		page.Wait(`document.querySelectorAll('.feedback').length === 2`)
		page.Type("#chat-question", "Is it open on Sundays?\r")
		page.Wait(`document.querySelector('[aria-busy] .words').textContent !== ''`)
		shot("chat")
		page.Open(f.URL + "/#/learning")
		page.WaitText("main", "n-17")
		shot("learning")
		page.Open(f.URL + "/#/learning/n-18")
		page.WaitText(".verdict", "fail")
		shot("night")
		page.Eval(`document.querySelector('.verdict').scrollIntoView()`, nil)
		shot("verdict")
		page.Open(f.URL + "/#/learning/n-live")
		f.tell("state", map[string]any{"state": "training", "reason": ""})
		for step := 1; step <= 30; step++ {
			f.tell("progress", map[string]any{"phase": "training", "step": step, "steps": 80, "loss": 0.4 + 2/float64(step), "eta_seconds": 95})
		}
		page.WaitText("main", "Step 30")
		shot("live")
		page.Open(f.URL + "/#/versions")
		page.WaitText("main", "support@16")
		shot("versions")
		page.Click("button[aria-label='Activate support@16']")
		page.Wait(`document.querySelector('dialog').open`)
		shot("confirm")
		f.mu.Lock()
		f.key, f.degraded = "secret-key", true
		f.mu.Unlock()
		page.Open(f.URL + "/?again#/chat")
		page.WaitText("#key", "This server wants an API key.")
		shot("key")
		page.Type("#key input", "secret-key\r")
		page.WaitText("#status", "degraded")
		page.Click(".chat-head summary")
		shot("settings")
	}
}

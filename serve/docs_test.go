package serve_test

import (
	"slices"
	"strings"
	"testing"

	"nightshift/serve"
	"nightshift/serve/api"
	"nightshift/serve/console/browsertest"
)

// TestDocsPage looks at /docs as a person does, and sends what it offers.
func TestDocsPage(t *testing.T) {
	browser := browsertest.Start(t)
	h := open(t, options{})
	page := browser.Page(t, browsertest.Look{})
	page.Open(h.url + "/docs")

	var groups []string
	page.Eval(`[...document.querySelectorAll('main > section > h2')].map((e) => e.textContent)`, &groups)
	if len(groups) < 7 || !slices.Equal(groups[:5], []string{"Chat", "Feedback", "Models", "Tracks", "Nights"}) || groups[len(groups)-1] != "Server" {
		t.Errorf("the order is %q", groups)
	}
	var lost []string
	page.Eval(`[...document.querySelectorAll('nav a')].map((a) => a.getAttribute('href')).filter((href) => !document.querySelector('main ' + href))`, &lost)
	if len(lost) > 0 {
		t.Errorf("links of the contents lead nowhere: %q", lost)
	}

	page.Eval(`document.querySelectorAll('details').forEach((d) => { d.open = true })`, nil)
	submit := func(form string) { page.Eval(`document.querySelector('`+form+` button').click()`, nil) }
	const chat, feedback = `form[data-path="/v1/chat/completions"]`, `form[data-path="/v1/feedback"]`
	submit(chat)
	page.Wait(`document.querySelector('` + chat + ` [role=status]').textContent.startsWith('200 OK')`)
	if text := page.Text(chat + " .answer"); !strings.Contains(text, `"object": "chat.completion"`) {
		t.Errorf("the answer is shown as %s", text)
	}
	submit(feedback) // it is about that answer by now
	page.Wait(`document.querySelector('` + feedback + ` [role=status]').textContent.startsWith('202 Accepted')`)
	page.Eval(`(() => { const body = document.querySelector('`+chat+` textarea'); body.value = body.value.replace('"stream": false', '"stream": true') })()`, nil)
	submit(chat)
	page.Wait(`document.querySelector('` + chat + ` .answer').textContent.endsWith('data: [DONE]\n\n')`)
	submit(`form[data-path="/v1/tracks/{track}"]`)
	page.Wait(`document.querySelector('form[data-path="/v1/tracks/{track}"] .answer').textContent.includes('"track": "default"')`)

	for _, look := range []browsertest.Look{{Width: 1280, Height: 800}, {Width: 390, Height: 844}, {Width: 390, Height: 844, Dark: true}, {Width: 320, Height: 600, Dark: true}} {
		page.Look(look)
		var wide []string
		page.Eval(`[...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 || e.scrollWidth > e.clientWidth + 1 && !e.matches('input, textarea, span, code, a, label, summary, button, strong')).map((e) => e.outerHTML.slice(0, 100))`, &wide)
		if len(wide) > 0 {
			t.Errorf("at %d pixels these are too wide: %q", look.Width, wide)
		}
		var faint []string
		page.Eval(faintTexts, &faint)
		if len(faint) > 0 {
			t.Errorf("dark %v: hard to read: %q", look.Dark, faint)
		}
	}
	for _, problem := range page.Problems() {
		t.Errorf("the browser complained: %s", problem)
	}
}

// faintTexts lists the elements whose text has less than 4.5 times the luminance of what is behind it, or the reverse: WCAG 2.2, 1.4.3.
const faintTexts = `(() => {
	const parts = (color) => color.match(/[\d.]+/g).map(Number);
	const luminance = (color) => parts(color).slice(0, 3).map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
		.reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
	const behind = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if ((parts(c)[3] ?? 1) > 0) return c } return 'rgb(255, 255, 255)' };
	return [...document.querySelectorAll('body, body *')].filter((e) => e.checkVisibility() && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
		.filter((e) => { const [a, b] = [luminance(getComputedStyle(e).color), luminance(behind(e))].sort((a, b) => b - a); return (a + 0.05) / (b + 0.05) < 4.5 })
		.map((e) => e.outerHTML.slice(0, 100));
})()`

// TestDocsPageWithKeys gives the page a key for what it sends.
func TestDocsPageWithKeys(t *testing.T) {
	browser := browsertest.Start(t)
	h := open(t, options{cfg: func(c *serve.Config) { c.API.Keys = []api.Key{key("web", nil, "generate")} }})
	page := browser.Page(t, browsertest.Look{})
	page.Open(h.url + "/docs")
	const form = `form[data-path="/v1/models"]`
	page.Eval(`document.querySelectorAll('details').forEach((d) => { d.open = true })`, nil)
	page.Eval(`document.querySelector('`+form+` button').click()`, nil)
	page.Wait(`document.querySelector('` + form + ` [role=status]').textContent.startsWith('401')`)
	page.Type("#key", "key-of-web")
	page.Eval(`document.querySelector('`+form+` button').click()`, nil)
	page.Wait(`document.querySelector('` + form + ` [role=status]').textContent.startsWith('200')`)
	var kept string
	page.Eval(`[localStorage.length, sessionStorage.length, document.cookie].join()`, &kept)
	if kept != "0,0," {
		t.Errorf("the page keeps %q", kept)
	}
	for _, problem := range page.Problems() {
		if !strings.Contains(problem, "401") {
			t.Errorf("the browser complained: %s", problem)
		}
	}
}

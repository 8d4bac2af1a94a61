package browsertest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience bounds every single action: it is longer than anything takes that ends at all, on a busy machine too. A condition that does
// not hold by then fails the test.
const patience = 10 * time.Minute

// Look is what a page is looked at with. Zero: 1280×800, light.
type Look struct {
	Width, Height int64
	Dark, Still   bool // Still asks for reduced motion
}

// A Page is one tab. Its methods fail the test when they cannot do what they are asked. Not for concurrent use.
type Page struct {
	t   testing.TB
	ctx context.Context

	mu       sync.Mutex
	problems []string
}

// Page opens a tab that is closed when the test ends.
func (b *Browser) Page(t testing.TB, look Look) *Page {
	t.Helper()
	p := &Page{t: t}
	ctx, stop := chromedp.NewContext(b.ctx, chromedp.WithListener(p.hear))
	t.Cleanup(stop)
	p.ctx = ctx
	if look.Width == 0 {
		look.Width, look.Height = 1280, 800
	}
	// The first run makes the tab, which lives as long as the context it is made with: no deadline on this one.
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	p.do("watch for complaints", chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		if _, err := cdp.Call(ctx, tab, log.Enable, cdp.Empty{}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, tab, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: watch})
		return err
	}))
	p.Look(look)
	return p
}

// watch turns policy violations into console errors that name directive and source.
const watch = `document.addEventListener('securitypolicyviolation', (e) =>
	console.error('content security policy: ' + e.effectiveDirective + ' blocked ' + e.blockedURI + ' at ' + e.sourceFile + ':' + e.lineNumber))`

func (p *Page) hear(event any) {
	var text string
	switch event := event.(type) {
	case *runtime.EventConsoleAPICalled:
		if event.Type != runtime.ConsoleAPICalledTypeError && event.Type != runtime.ConsoleAPICalledTypeWarning && event.Type != runtime.ConsoleAPICalledTypeAssert {
			return
		}
		for _, argument := range event.Args {
			text += strings.Trim(string(argument.Value), `"`) + argument.Description + " "
		}
	case *runtime.EventExceptionThrown:
		text = event.ExceptionDetails.Text
		if event.ExceptionDetails.Exception != nil {
			text += " " + event.ExceptionDetails.Exception.Description
		}
	case *log.EventEntryAdded:
		if event.Entry.Level != log.EntryLevelError && event.Entry.Level != log.EntryLevelWarning {
			return
		}
		text = fmt.Sprintf("%s: %s %s", event.Entry.Source, event.Entry.Text, event.Entry.URL)
	default:
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = append(p.problems, strings.TrimSpace(text))
}

// Problems returns what the browser complained about since the page was opened or Problems was last called.
func (p *Page) Problems() []string {
	p.t.Helper()
	p.Eval(`null`, nil) // events come in order: all that happened before this answer have been heard
	p.mu.Lock()
	defer p.mu.Unlock()
	problems := p.problems
	p.problems = nil
	return problems
}

// run runs one action within patience and returns its value.
func run[T any](p *Page, what string, action chromedp.Action[T]) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		p.t.Fatalf("%s: %v\nproblems so far: %q", what, err, p.problemsNow())
	}
	return value
}

func (p *Page) do(what string, action chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	run(p, what, action)
}

func (p *Page) problemsNow() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.problems...)
}

// Look changes size and preferences.
func (p *Page) Look(look Look) {
	p.t.Helper()
	scheme, motion := "light", "no-preference"
	if look.Dark {
		scheme = "dark"
	}
	if look.Still {
		motion = "reduce"
	}
	p.do("set the look of the page", chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: look.Width, Height: look.Height, DeviceScaleFactor: 1, Mobile: look.Width < 600,
		})
		if err != nil {
			return err
		}
		_, err = cdp.Call(ctx, tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: motion},
		}})
		return err
	}))
}

// Open navigates and waits until the page is loaded.
func (p *Page) Open(url string) {
	p.t.Helper()
	p.do("open "+url, chromedp.Navigate(url))
}

// Eval evaluates a JavaScript expression, waits when it is a promise, and decodes its value into out (unless nil).
func (p *Page) Eval(expression string, out any) {
	p.t.Helper()
	raw := run(p, "evaluate "+expression, chromedp.Evaluate[[]byte](expression, chromedp.EvalAwaitPromise))
	if out == nil {
		return
	}
	if err := json.Unmarshal(raw, out); err != nil {
		p.t.Fatalf("evaluate %s: decode %s: %v", expression, raw, err)
	}
}

// Wait returns once a JavaScript condition holds, and fails the test when it does not within patience.
func (p *Page) Wait(condition string) {
	p.t.Helper()
	var held bool
	p.Eval(fmt.Sprintf(`new Promise((resolve) => {
		const end = Date.now() + %d;
		(function look() {
			let held = false;
			try { held = Boolean(%s); } catch { /* not there yet */ }
			if (held || Date.now() > end) resolve(held); else setTimeout(look, 15);
		})();
	})`, (patience*3/4).Milliseconds(), condition), &held)
	if !held {
		var text string
		p.Eval(`document.body.innerText`, &text)
		p.t.Fatalf("never came true: %s\nproblems so far: %q\nthe page says:\n%s", condition, p.problemsNow(), text)
	}
}

// quote makes a JavaScript string literal.
func quote(text string) string {
	encoded, err := json.Marshal(text)
	if err != nil {
		panic(err) // a Go string always encodes
	}
	return string(encoded)
}

// WaitText waits until the element at a selector contains a text.
func (p *Page) WaitText(selector, text string) {
	p.t.Helper()
	p.Wait(fmt.Sprintf(`document.querySelector(%s).innerText.includes(%s)`, quote(selector), quote(text)))
}

// Text returns the visible text of the first element at a selector.
func (p *Page) Text(selector string) string {
	p.t.Helper()
	p.Wait(fmt.Sprintf(`document.querySelector(%s)`, quote(selector)))
	var text string
	p.Eval(fmt.Sprintf(`document.querySelector(%s).innerText`, quote(selector)), &text)
	return text
}

// Click presses the mouse on the first element at a selector, once it is enabled and nothing lies over it. A page that is still being
// drawn may move the element away from the mouse: then it is pressed again, as a hand would.
func (p *Page) Click(selector string) {
	p.t.Helper()
	middle := fmt.Sprintf(`((e) => {
		e.scrollIntoView({ block: 'nearest', behavior: 'instant' });
		const box = e.getBoundingClientRect();
		const at = [box.x + box.width / 2, box.y + box.height / 2];
		if (e.disabled || box.width === 0 || !e.contains(document.elementFromPoint(...at))) return null;
		window.pressed = false;
		e.addEventListener('click', () => { window.pressed = true; }, { capture: true, once: true });
		return at;
	})(document.querySelector(%s))`, quote(selector))
	for begin := time.Now(); ; {
		var at []float64
		p.Wait(fmt.Sprintf(`(window.target = %s)`, middle))
		p.Eval(`window.target`, &at)
		p.do("click "+selector, chromedp.MouseClickXY(at[0], at[1]))
		var pressed *bool // nil on the page that the click led to
		p.Eval(`window.pressed ?? null`, &pressed)
		if pressed == nil || *pressed {
			return
		}
		if time.Since(begin) > patience {
			p.t.Fatalf("click %s: it moves away", selector)
		}
	}
}

// Type replaces the text of a field by key presses; "\r" presses Enter.
func (p *Page) Type(selector, text string) {
	p.t.Helper()
	p.Wait(fmt.Sprintf(`document.querySelector(%s).getClientRects().length`, quote(selector)))
	p.Eval(fmt.Sprintf(`((e) => { e.focus(); e.select(); })(document.querySelector(%s))`, quote(selector)), nil)
	p.Press(text)
}

// Press sends key presses to whatever has the focus.
func (p *Page) Press(keys string) {
	p.t.Helper()
	for i, part := range strings.Split(keys, "\r") {
		if i > 0 {
			p.do("press Enter", chromedp.Func(pressEnter))
		}
		if part != "" {
			p.do("press keys", chromedp.KeyEvent(part))
		}
	}
}

// pressEnter presses it as a keyboard does: a page that prevents the key's default gets no line break.
func pressEnter(ctx context.Context, tab *chromedp.Target) error {
	for _, kind := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeKeyDown, input.DispatchKeyEventTypeKeyUp} {
		event := input.DispatchKeyEventParams{Type: kind, Key: "Enter", Code: "Enter", WindowsVirtualKeyCode: 13}
		if kind == input.DispatchKeyEventTypeKeyDown {
			event.Text = "\r"
		}
		if _, err := cdp.Call(ctx, tab, input.DispatchKeyEvent, event); err != nil {
			return err
		}
	}
	return nil
}

// Choose picks an option of a select by value.
func (p *Page) Choose(selector, value string) {
	p.t.Helper()
	p.Wait(fmt.Sprintf(`[...document.querySelector(%s).options].some((o) => o.value === %s)`, quote(selector), quote(value)))
	p.Eval(fmt.Sprintf(`((e) => { e.value = %s; e.dispatchEvent(new Event('change', { bubbles: true })); })(document.querySelector(%s))`,
		quote(value), quote(selector)), nil)
}

// Screenshot writes what is visible as PNG.
func (p *Page) Screenshot(path string) {
	p.t.Helper()
	picture := run(p, "take a screenshot", chromedp.CaptureScreenshot())
	if err := os.WriteFile(path, picture, 0o644); err != nil {
		p.t.Fatalf("write screenshot: %v", err)
	}
}

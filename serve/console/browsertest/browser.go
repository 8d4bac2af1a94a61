// Package browsertest starts a headless Chromium for tests of pages and drives it: open, click, type, wait, look.
//
// Every page records what the browser complains about (console errors, uncaught exceptions, violations of the content
// security policy), so that a test can end by asking for [Page.Problems]. Nothing here sleeps: [Page.Wait] resolves inside
// the page as soon as its condition holds. It is imported by tests only.
package browsertest

import (
	"context"
	"os"
	"os/exec"
	"testing"

	"github.com/chromedp/chromedp"
)

// A Browser is one running Chromium with a profile of its own. It ends with the test that started it.
type Browser struct {
	ctx context.Context
}

// names are the commands Chromium goes by, in order of preference.
var names = []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}

// Start starts Chromium, or skips the test when none is on the PATH.
func Start(t testing.TB) *Browser {
	t.Helper()
	command := find()
	if command == "" {
		t.Skip("skipped: no Chromium on the PATH (looked for chromium, chromium-browser, google-chrome); install it to run the browser tests")
	}
	profile, err := os.MkdirTemp("", "nightshift-browser-")
	if err != nil {
		t.Fatalf("make the browser's profile directory: %v", err)
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(command),
		chromedp.UserDataDir(profile),
		chromedp.WSURLReadTimeout(patience),
	}
	for _, flag := range []string{
		"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "no-default-browser-check", "hide-scrollbars",
		"disable-background-networking", "disable-component-update", "disable-sync", "disable-extensions", "disable-dev-shm-usage",
		"disable-background-timer-throttling", "disable-renderer-backgrounding", "disable-backgrounding-occluded-windows", "mute-audio",
	} {
		options = append(options, chromedp.Flag(flag, true))
	}
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stop := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil && ctx.Err() == nil {
			t.Logf("close the browser: %v", err)
		}
		stop()
		stopAllocator()
		if err := os.RemoveAll(profile); err != nil {
			t.Logf("remove the browser's profile: %v", err)
		}
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", command, err)
	}
	return &Browser{ctx: ctx}
}

func find() string {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

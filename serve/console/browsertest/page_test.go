package browsertest

import (
	"net/url"
	"testing"
)

// TestClickWhatMoves presses a button that moves away from under the mouse the first time.
func TestClickWhatMoves(t *testing.T) {
	page := Start(t).Page(t, Look{})
	page.Open("data:text/html," + url.PathEscape(`<button>here</button><script>
		const button = document.querySelector('button');
		window.clicks = 0;
		button.addEventListener('click', () => { window.clicks++; });
		addEventListener('mousedown', () => { button.style.marginTop = '300px'; }, { capture: true, once: true });
	</script>`))
	page.Click("button")
	var clicks int
	page.Eval(`window.clicks`, &clicks)
	if clicks != 1 {
		t.Errorf("%d clicks, want 1", clicks)
	}
}

// Package loadtest holds the test that the load tests notice a server that breaks its promises. The scripts are JavaScript for
// k6; the adapters that they swap between are made by the command below. There is nothing here to import.
package loadtest

import (
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// k6 is the program that run.sh builds.
func k6(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../.cache/k6")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Skip("k6 is not built: make loadtest builds it")
	}
	return path
}

// run runs a script against a server, as a user would, and returns k6's exit status and all that it printed.
func run(t *testing.T, script, url string, settings ...string) (status int, output string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	args := []string{"run", "--quiet", "-e", "BASE_URL=" + url, "-e", "TRACK=" + track, "-e", "RESULTS=" + t.TempDir()}
	for _, s := range settings {
		args = append(args, "-e", s)
	}
	cmd := exec.CommandContext(ctx, k6(t), append(args, script)...) //nolint:gosec // the program that we built
	cmd.Env = append(os.Environ(), "K6_NO_USAGE_REPORT=true", "K6_AUTO_EXTENSION_RESOLUTION=false")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// thresholdsFailed is k6's exit status when a threshold does not hold.
const thresholdsFailed = 99

func TestSwapUnderLoadNoticesBrokenPromises(t *testing.T) {
	k6(t)
	for _, c := range []struct {
		name   string
		lie    lie
		status int
		holds  []string // of what is printed, blanks squeezed
	}{
		{"an honest server", honest, 0, []string{"swap-under-load: passed", "ok mixed count==0", "ok failed rate==0", "ok spanned count>0", "ok inter_token_p99 p(95)<250", "inter_token_max, ms 300 300"}},
		{"chunks of two versions", fingerprintChanges, thresholdsFailed, []string{"FAILED mixed count==0", "ok failed rate==0", "its chunks name"}},
		{"a header of another version", headerDiffers, thresholdsFailed, []string{"FAILED mixed count==0", "its header names"}},
		{"an end of another version", endDiffers, thresholdsFailed, []string{"FAILED mixed count==0", "it ends as"}},
		{"words of another version under the right name", textDiffers, thresholdsFailed, []string{"FAILED mixed count==0", "ok failed rate==0", "alone it says"}},
		{"a stream that breaks off", breaksOff, thresholdsFailed, []string{"FAILED failed rate==0", "the stream breaks off"}},
		{"an error in a stream", failsInside, thresholdsFailed, []string{"FAILED failed rate==0", "error in the answer: no more"}},
		{"a swap that changes nothing", neverSwaps, thresholdsFailed, []string{"FAILED answers_of_first count>0", "FAILED spanned count>0", "ok mixed count==0"}},
		{"a rollback that fails", refusesRollbacks, thresholdsFailed, []string{"FAILED swap_failed rate==0", "status 503"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(newServer(c.lie))
			defer s.Close()
			status, output := run(t, "swap-under-load.js", s.URL, "VUS=2", "DURATION=1s", "SWAP_EVERY_MS=20")
			if status != c.status {
				t.Errorf("exit status %d, want %d", status, c.status)
			}
			squeezed := strings.Join(strings.Fields(output), " ")
			for _, want := range c.holds {
				if !strings.Contains(squeezed, want) {
					t.Errorf("%q is not printed", want)
				}
			}
			if t.Failed() {
				t.Log(output)
			}
		})
	}
}

// TestReport holds a report to what it is for: it needs nothing from elsewhere, and it says what failed.
func TestReport(t *testing.T) {
	k6(t)
	s := httptest.NewServer(newServer(fingerprintChanges))
	defer s.Close()
	dir := t.TempDir()
	run(t, "swap-under-load.js", s.URL, "VUS=1", "DURATION=1s", "API_KEY=secret-of-mine", "RESULTS="+dir)
	found, err := filepath.Glob(filepath.Join(dir, "swap-under-load-*.html"))
	if err != nil || len(found) != 1 {
		t.Fatalf("reports %v, %v, want one", found, err)
	}
	data, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	for _, want := range []string{`<td class="bad">FAILED</td><td>mixed</td>`, `<td class="good">ok</td><td>failed</td>`, "<th>p99</th>", "prefers-color-scheme:dark", s.URL} {
		if !strings.Contains(page, want) {
			t.Errorf("the report does not hold %q", want)
		}
	}
	for _, never := range []string{"<script", "<link", "<img", "url(", "@import", "secret-of-mine"} {
		if strings.Contains(page, never) {
			t.Errorf("the report holds %q", never)
		}
	}
}

func TestEveryScriptLoads(t *testing.T) {
	scripts, err := filepath.Glob("*.js")
	if err != nil || len(scripts) < 6 {
		t.Fatalf("scripts %v, %v, want all", scripts, err)
	}
	for _, script := range scripts {
		out, err := exec.CommandContext(t.Context(), k6(t), "inspect", script).CombinedOutput() //nolint:gosec // the program that we built
		if err != nil {
			t.Errorf("%s: %v\n%s", script, err, out)
		}
		if !strings.Contains(string(out), `"failed"`) {
			t.Errorf("%s has no threshold on failed answers:\n%s", script, out)
		}
	}
}

package serve_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nightshift/serve"
	"nightshift/serve/api"
)

// TestOpenAIClient lets OpenAI's official client use the API: npm ci into a directory of the cache, then one script.
func TestOpenAIClient(t *testing.T) {
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not on the PATH: the contract with OpenAI's client is not tested; install Node.js to test it", tool)
		}
	}
	dir := t.TempDir()
	source := filepath.Join("api", "testdata", "openai-client")
	for _, name := range []string{"package.json", "package-lock.json", "contract.mjs"} {
		data, err := os.ReadFile(filepath.Join(source, name))
		must(t, err)
		if strings.Contains(string(data), "\"resolved\"") {
			t.Errorf("%s names the host it was made with; write it with omit-lockfile-registry-resolved", name)
		}
		must(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	install := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Skipf("npm ci cannot install the pinned client: the contract with it is not tested: %v\n%s", err, out)
	}
	h := open(t, options{cfg: func(c *serve.Config) {
		c.Tracks = []string{"closed"}
		c.API.Keys = []api.Key{key("sdk", []string{"default"}, "generate")}
	}})
	run := exec.CommandContext(t.Context(), "node", filepath.Join(dir, "contract.mjs"), h.url+"/v1", "key-of-sdk")
	out, err := run.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	h.await("what was aborted is gone", func() bool { s := h.engine.Stats(); return s.Active == 0 && s.Waiting == 0 && s.Cancelled >= 1 })
}

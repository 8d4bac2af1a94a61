package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestClients: every block of clients.md says in its first line how the contract suite runs it, with pins that exist, and reaches the
// server at the address that the suite replaces; every client of the suite has its packages on the page.
func TestClients(t *testing.T) {
	const suite = "../test/contract"
	text := pages(t)["clients.md"]
	blocks := regexp.MustCompile("(?ms)^```(\\S+)(?: (\\S+))?([^\n]*)\n(.*?)^```$").FindAllStringSubmatch(text, -1)
	if len(blocks) < 12 {
		t.Fatalf("clients.md has %d blocks", len(blocks))
	}
	shown := map[string]bool{}
	for _, b := range blocks {
		language, environment, options, code := b[1], b[2], b[3], b[4]
		shown[environment] = true
		switch environment {
		case "curl", "npm", "go":
		default:
			if _, err := os.Stat(filepath.Join(suite, "clients", "python", "requirements", environment+".txt")); environment == "" || err != nil {
				t.Errorf("a %s block runs in %q, which the suite does not have", language, environment)
			}
		}
		if strings.Contains(code, ":8080") && !strings.Contains(code, "http://127.0.0.1:8080/v1") {
			t.Errorf("a %s block of %s reaches the server at an address that the suite does not replace", language, environment)
		}
		if !strings.Contains(code, "127.0.0.1:") && !strings.Contains(options, "=") {
			t.Errorf("a %s block of %s reaches no server", language, environment)
		}
	}
	environments, err := filepath.Glob(filepath.Join(suite, "clients", "python", "requirements", "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(environments, "npm.txt", "go.txt") {
		if name = strings.TrimSuffix(filepath.Base(name), ".txt"); !shown[name] {
			t.Errorf("the suite drives %s, and clients.md has no block for it", name)
		}
	}
}

// TestPins: what the contract suite installs has exact versions, and names no registry.
func TestPins(t *testing.T) {
	pins, err := filepath.Glob("../test/contract/clients/python/requirements/*.txt")
	if err != nil || len(pins) == 0 {
		t.Fatalf("%d files of pins: %v", len(pins), err)
	}
	exact := regexp.MustCompile(`^[a-z0-9.-]+(\[[a-z,]+\])?==[0-9][0-9a-z.]*$`)
	for _, name := range pins {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); !exact.MatchString(line) {
				t.Errorf("%s has %q, want package==version", name, line)
			}
		}
	}
	lock, err := os.ReadFile("../test/contract/clients/node/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(lock), `"resolved"`) {
		t.Error("package-lock.json names a registry: install with omit-lockfile-registry-resolved")
	}
}

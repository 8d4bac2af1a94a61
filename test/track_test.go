package test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// trackDirs are the tracks that have left something in the registry.
func trackDirs(t *testing.T, data string) string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(data, "registry", "tracks"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// TestMistypedTracks runs every command that takes a track on one that does not exist: it is refused, and nothing is made.
func TestMistypedTracks(t *testing.T) {
	data := t.TempDir()
	if got := execute(t, "track", "create", "support", "--data", data); got.code != 0 {
		t.Fatal(got.err)
	}
	for _, args := range [][]string{
		{"adapter", "rollback", "suppor"}, {"adapter", "hold", "suppor", "--reason", "x"}, {"adapter", "release", "suppor"}, {"adapter", "activate", "suppor@base"},
		{"adapter", "activate", "suppor@1"}, {"adapter", "export", "suppor@1", t.TempDir()}, {"adapter", "merge", "support@base", "--track", "suppor"},
		{"adapter", "merge", "suppor@1"}, {"night", "matrix", "--track", "suppor"}, {"night", "list", "--track", "suppor"}, {"track", "delete", "suppor"},
	} {
		refused(t, append(args, "--data", data), "there is no track suppor: did you mean support?")
	}
	refused(t, []string{"adapter", "hold", "nope", "--data", data}, "there is no track nope", "nightshift track list")
	refused(t, []string{"adapter", "activate", "support@7", "--data", data}, "there is no version support@7: the track has none but support@base")
	if got := trackDirs(t, data); got != "support" {
		t.Errorf("the registry has %q", got)
	}
}

// TestReadingMakesNothing runs what only reads where nothing is.
func TestReadingMakesNothing(t *testing.T) {
	dir := t.TempDir()
	for _, args := range [][]string{{"track", "list"}, {"adapter", "list"}, {"night", "list"}, {"adapter", "rollback"}, {"night", "show", "x"}, {"night", "matrix"}, {"__complete", "adapter", "activate", ""}} {
		executeIn(t, dir, nil, args...)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}

// TestTrackCommands makes and deletes tracks where no server runs.
func TestTrackCommands(t *testing.T) {
	data := t.TempDir()
	run := func(args ...string) ended { return execute(t, append(args, "--data", data)...) }
	config := []string{"--set", "tracks={sales: {}}", "--set", "router.tracks=billing", "--set", "router.model=auto"}
	holds(t, "create", run("track", "create", "support").out, "track support is there")
	refused(t, []string{"track", "create", "support", "--data", data}, "there is a track support already")
	refused(t, []string{"track", "create", "Not a name", "--data", data}, `"Not a name" is no name of a track`)
	refused(t, append([]string{"track", "create", "auto", "--data", data}, config...), "router.model")
	holds(t, "list", run(append([]string{"track", "list"}, config...)...).out, "billing  billing@base", "default  default@base", "sales    sales@base", "support  support@base")
	refused(t, []string{"track", "delete", "default", "--data", data}, "track default cannot be deleted")
	for _, named := range []string{"sales", "billing"} {
		refused(t, append([]string{"track", "delete", named, "--data", data}, config...), "track "+named+" cannot be deleted: the configuration names it")
	}
	holds(t, "hold", run(append([]string{"adapter", "hold", "sales"}, config...)...).out, "activation 1: sales@base")
	holds(t, "delete", run("track", "delete", "support").out, "track support is deleted", "nightshift track create support")
	if out := run("track", "list").out; strings.Contains(out, "support") {
		t.Errorf("it is still listed:\n%s", out)
	}
	holds(t, "create again", run("track", "create", "support").out, "track support is there")
}

// TestTracksBesideAServer makes and deletes tracks beside a running server, which does it itself and says in its own words what it refuses.
func TestTracksBesideAServer(t *testing.T) {
	needRuntime(t)
	data, key := t.TempDir(), "0123456789abcdef0123456789abcdef"
	address := freeAddress(t)
	s := launch(t, "serve", "--data", data, "--listen", address, "--set", "tracks={sales: {}}",
		"--set", `keys=[{name: chief, key: `+key+`, roles: [admin]}]`)
	await(t, "the address is written", func() bool { _, err := os.Stat(filepath.Join(data, "address.json")); return err == nil })
	run := func(args ...string) ended {
		return executeIn(t, t.TempDir(), []string{"NIGHTSHIFT_ADMIN_KEY=" + key}, append(args, "--data", data)...)
	}
	models := func() string {
		req, err := http.NewRequest(http.MethodGet, "http://"+address+"/v1/models", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close() //nolint:errcheck // read to its end
		var list struct{ Data []struct{ ID string } }
		if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, m := range list.Data {
			names = append(names, m.ID)
		}
		return strings.Join(names, " ")
	}
	if got := run("track", "create", "support"); got.code != 0 {
		t.Fatalf("%s%s", got.out, got.err)
	}
	if got := models(); got != "default sales support" {
		t.Errorf("models: %s", got)
	}
	for want, args := range map[string][]string{
		"there is a track support already":                                                            {"track", "create", "support"},
		"track sales cannot be deleted: the configuration names it; take it out there first":          {"track", "delete", "sales"},
		`there is no track "suppor"; /v1/tracks lists them: did you mean support?`:                    {"track", "delete", "suppor"},
		`there is no updater; start ` + "`nightshift run`, or `nightshift update` beside this server": {"update", "--now"},
	} {
		got := run(args...)
		if got.code != 1 || !strings.Contains(got.err, want) || strings.ContainsAny(got.err, "{}") {
			t.Errorf("%v: status %d, %s; want %s", args, got.code, got.err, want)
		}
	}
	keyless := execute(t, "track", "delete", "support", "--data", data)
	if keyless.code != 1 || !strings.Contains(keyless.err, "NIGHTSHIFT_ADMIN_KEY") || strings.Contains(keyless.err, "{") {
		t.Errorf("without a key: status %d, %s", keyless.code, keyless.err)
	}
	if got := run("track", "delete", "support"); got.code != 0 || models() != "default sales" {
		t.Errorf("deleted: %s%s, models %s", got.out, got.err, models())
	}
	if code := s.stop(t); code != 0 {
		t.Errorf("status %d", code)
	}
}

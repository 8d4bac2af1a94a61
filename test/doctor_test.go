package test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nightshift/internal/app"
	"nightshift/replaystore/replaytest"
)

// findings runs the doctor and returns its report by check.
func findings(t *testing.T, want int, args ...string) map[string]struct{ State, Detail string } {
	t.Helper()
	got := execute(t, append([]string{"doctor", "--json"}, args...)...)
	if got.code != want {
		t.Errorf("doctor %v: status %d, want %d\n%s%s", args, got.code, want, got.out, got.err)
	}
	report := map[string]struct{ State, Detail string }{}
	for line := range strings.Lines(got.out) {
		var f struct{ Check, State, Detail string }
		if err := json.Unmarshal([]byte(line), &f); err != nil || f.Check == "" || f.Detail == "" {
			t.Fatalf("doctor %v: %q: %v", args, line, err)
		}
		report[f.Check] = struct{ State, Detail string }{f.State, f.Detail}
	}
	return report
}

func TestDoctor(t *testing.T) {
	needRuntime(t)
	data := filepath.Join(t.TempDir(), "data")
	healthy := findings(t, 0, "--data", data)
	for check, word := range map[string]string{"library": "ONNX Runtime 1.27.0 at /", "model": "4 layers, 6 heads, width 192", "store": "local files", "registry": data,
		"disk": "GB free", "keys": "none", "nights": "0 3 * * *", "cache": "/"} {
		if f := healthy[check]; f.State != "ok" || !strings.Contains(f.Detail, word) {
			t.Errorf("%s: %+v, want ok and %q", check, f, word)
		}
	}
	if _, err := os.Stat(data); !os.IsNotExist(err) {
		t.Errorf("the doctor made the data directory: %v", err)
	}
	if got := execute(t, "doctor", "--data", data); got.code != 0 || !strings.Contains(got.out, "ok") || strings.Contains(got.out, "{") {
		t.Errorf("for people: status %d\n%s", got.code, got.out)
	}

	t.Run("Failing", func(t *testing.T) {
		nobody := freeAddress(t)
		sick := findings(t, 1, "--data", data, "--model", "/nowhere", "--set", "store.kind=redis", "--set", "store.redis.addresses="+nobody)
		for check, word := range map[string]string{"model": "/nowhere", "store": nobody} {
			if f := sick[check]; f.State != "failed" || !strings.Contains(f.Detail, word) {
				t.Errorf("%s: %+v, want failed and %q", check, f, word)
			}
		}
		if sick["library"].State != "ok" {
			t.Errorf("one failure hides the others: %+v", sick)
		}
		got := executeIn(t, t.TempDir(), []string{"NIGHTSHIFT_ONNXRUNTIME_LIB=/nowhere/libonnxruntime.so"}, "doctor", "--json", "--data", data)
		if got.code != 1 || !strings.Contains(got.out, "/nowhere/libonnxruntime.so") {
			t.Errorf("a library that is not there: status %d\n%s", got.code, got.out)
		}
	})
	t.Run("Library", func(t *testing.T) {
		wrong := writeFile(t, t.TempDir(), "libonnxruntime.so", "not a library")
		got := executeIn(t, t.TempDir(), []string{"NIGHTSHIFT_ONNXRUNTIME_LIB=" + wrong}, "run", "--data", data, "--listen", freeAddress(t))
		if got.code != 1 || strings.Count(got.err, "\n") != 1 || !strings.Contains(got.err, wrong) {
			t.Errorf("a file that is no library: status %d\n%s", got.code, got.err)
		}
	})
	t.Run("Redis", func(t *testing.T) {
		redis := replaytest.StartRedis(t)
		args := []string{"--data", data, "--set", "store.kind=redis", "--set", "store.redis.addresses=" + redis.Addr}
		if f := findings(t, 0, args...)["store"]; f.State != "ok" || !strings.Contains(f.Detail, redis.Addr) {
			t.Errorf("store: %+v", f)
		}
		evicting := replaytest.StartRedis(t, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
		if f := findings(t, 1, "--data", data, "--set", "store.kind=redis", "--set", "store.redis.addresses="+evicting.Addr)["store"]; f.State != "failed" || !strings.Contains(f.Detail, "maxmemory-policy") {
			t.Errorf("a Redis that evicts: %+v", f)
		}
	})
	t.Run("Live", func(t *testing.T) {
		s := serverOf(t, "run", "--data", data)
		if got := execute(t, "doctor", "--live", s.base); got.code != 0 {
			t.Errorf("a server that is ready: status %d\n%s", got.code, got.err)
		}
		if f := findings(t, 0, "--data", data)["registry"]; f.State != "ok" {
			t.Errorf("beside a running server: %+v", f)
		}
		refused(t, []string{"doctor", "--live", "http://" + freeAddress(t)}, "no server answers at")
	})
}

func TestConfigCommand(t *testing.T) {
	dir := t.TempDir()
	file := writeFile(t, dir, "own.yaml", "listen: 127.0.0.1:9999\nupdate: {train: {rank: 16}}\nkeys: [{name: shop, key: a-key-of-the-shop-1, roles: [generate]}]\n")
	printed := executeIn(t, dir, []string{"NIGHTSHIFT_UPDATE_SCHEDULE=30 2 * * *"}, "config", "print", "--config", file, "--set", "engine.slots=3")
	if printed.code != 0 {
		t.Fatalf("status %d: %s", printed.code, printed.err)
	}
	holds(t, "config print", printed.out, "127.0.0.1:9999", "rank: 16", "slots: 3", "30 2 * * *", "# ")
	if strings.Contains(printed.out, "a-key-of-the-shop-1") {
		t.Error("config print shows a key")
	}
	var keys []string // of every key, at least the sections are there
	for line := range strings.Lines(app.Defaults().YAML()) {
		if name, _, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, " ") && !strings.HasPrefix(line, "#") {
			keys = append(keys, name+":")
		}
	}
	holds(t, "config print", printed.out, keys...)
	if got := execute(t, "config", "check", "--config", file); got.code != 0 || !strings.Contains(got.out, "valid") {
		t.Errorf("config check: status %d\n%s%s", got.code, got.out, got.err)
	}
	if got := executeIn(t, dir, []string{"NIGHTSHIFT_LISTNE=x"}, "config", "check"); got.code != 0 || !strings.Contains(got.err, "NIGHTSHIFT_LISTNE") {
		t.Errorf("a variable that means nothing: status %d\n%s", got.code, got.err)
	}
	own := writeFile(t, dir, "typo.yaml", "listen: 127.0.0.1:9999\nupdate:\n  train:\n    epcohs: 3\n")
	refused(t, []string{"config", "check", "--config", own}, "epcohs", "epochs", "4")
	refused(t, []string{"config", "check", "--config", filepath.Join(dir, "none.yaml")}, "none.yaml")
	refused(t, []string{"config", "check", "--set", "update.train.rank=many"}, "update.train.rank")
	refused(t, []string{"config", "check", "--set", "update.train.rank=0"}, "update.train.rank")
	refused(t, []string{"config", "check", "--set", "rank"}, "rank", "key=value")
	refused(t, []string{"config", "check", "--listen", "0.0.0.0:8080"}, "0.0.0.0:8080", "keys")
}

// TestUnknownArguments holds that what is not understood is never ignored.
func TestUnknownArguments(t *testing.T) {
	for _, command := range []string{"run", "serve", "update", "demo", "doctor", "bench decode", "bench train", "config print", "config check"} {
		args := strings.Fields(command)
		refused(t, append(args, "--frobnicate"), "--frobnicate")
		refused(t, append(args, "frobnicate"), "frobnicate")
	}
	refused(t, []string{"frobnicate"}, "frobnicate")
	for _, group := range []string{"bench", "config", "night"} {
		refused(t, []string{group, "frobnicate"}, "frobnicate")
	}
	refused(t, []string{"run", "--threads", "many"}, "threads", "many")
	refused(t, []string{"bench", "decode", "--weights", "int2"}, "int2")
	refused(t, []string{"bench", "decode", "--batch", "0"}, "0")
	refused(t, []string{"bench", "decode", "--shape", "gpt9"}, "gpt9")
	help := execute(t, "--help")
	holds(t, "help", help.out, "run", "serve", "update", "demo", "bench", "doctor", "config")
	if got := execute(t, "--version"); got.code != 0 || !strings.Contains(got.out, "nightshift version ") {
		t.Errorf("--version: status %d\n%s", got.code, got.out)
	}
}

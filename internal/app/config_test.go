package app

import (
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"nightshift/serve"
	"nightshift/serve/api"
	"nightshift/update/night"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nightshift.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, text string, environ []string, overrides map[string]string) Config {
	t.Helper()
	c, err := LoadConfig(write(t, text), environ, overrides)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDefaults(t *testing.T) {
	c, err := LoadConfig("", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(c, Defaults()) {
		t.Errorf("nothing loads to %+v", c)
	}
	if c.Listen != "127.0.0.1:8080" || c.RegistryDir() != filepath.Join("data", "registry") || c.Store.Kind != "local" {
		t.Errorf("defaults: %+v", c)
	}
	for _, text := range []string{"", "# only a comment\n", "---\n"} {
		if got := load(t, text, nil, nil); !reflect.DeepEqual(got, Defaults()) {
			t.Errorf("%q loads to %+v", text, got)
		}
	}
}

const example = `
listen: ":9000"
keys:
  - name: web
    hash: sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
    roles: [generate, feedback]
    tracks: [support]
  - {name: ops, key: "a key of some length", roles: [admin]}
store:
  kind: redis
  redis: {addresses: ["r1:6379", "r2:6379"], timeout: 1s}
engine:
  bank_rows: 65
update:
  train:
    rank: 16
    learning_rate: 1e-4
    modules:
      - attn.c_attn
tracks:
  support:
    update: {schedule: "0 4 * * 1-5", train: {rank: 4}}
  quiet:
`

func TestFileEnvironmentOverrides(t *testing.T) {
	c := load(t, example, []string{
		"NIGHTSHIFT_UPDATE_TRAIN_EPOCHS=7", "NIGHTSHIFT_STORE_REDIS_PASSWORD=hush", "NIGHTSHIFT_ENGINE_SLOTS=3", "PATH=/bin",
		"NIGHTSHIFT_CORS_ORIGINS=https://a.example, https://b.example", "NIGHTSHIFT_ONNXRUNTIME_LIB=/x", "NIGHTSHIFT_SERVICE_HOST=10.0.0.1",
		`NIGHTSHIFT_REDACT_EXTRA=[{name: member, pattern: "M-[0-9]+"}]`,
	}, map[string]string{"engine.slots": "5", "update.train.modules": "mlp.c_fc,attn.c_attn", "log.level": "debug"})
	if len(c.Keys) != 2 || c.Keys[0].Tracks[0] != "support" || c.Keys[1].Key != "a key of some length" {
		t.Errorf("keys: %+v", c.Keys)
	}
	if c.Store.Redis.Timeout != time.Second || len(c.Store.Redis.Addresses) != 2 || c.Store.Redis.Password != "hush" || c.Store.Redis.Prefix != "nightshift" {
		t.Errorf("redis: %+v", c.Store.Redis)
	}
	if c.Engine.BankRows != 65 || c.Engine.Slots != 5 || c.Log.Level != "debug" {
		t.Errorf("engine: %+v", c.Engine)
	}
	if u := c.UpdateOf("default"); u.Train.Rank != 16 || u.Train.Epochs != 7 || u.Train.LearningRate != 1e-4 || u.Schedule != "0 3 * * *" {
		t.Errorf("update: %+v", u)
	}
	if u := c.UpdateOf("support"); u.Train.Rank != 4 || u.Train.Epochs != 7 || u.Train.Modules[0] != "mlp.c_fc" || u.Schedule != "0 4 * * 1-5" {
		t.Errorf("update of support: %+v", u)
	}
	if !reflect.DeepEqual(c.UpdateOf("quiet"), c.Update) {
		t.Errorf("update of quiet: %+v", c.UpdateOf("quiet"))
	}
	if !reflect.DeepEqual(c.Update.Train.Modules, []string{"mlp.c_fc", "attn.c_attn"}) || len(c.CORS.Origins) != 2 || c.Redact.Extra[0].Pattern != "M-[0-9]+" {
		t.Errorf("lists: %v %v %v", c.Update.Train.Modules, c.CORS.Origins, c.Redact.Extra)
	}
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "NIGHTSHIFT_SERVICE_HOST") {
		t.Errorf("warnings: %v", c.Warnings)
	}
}

// TestPrintLoads prints configurations and loads what was printed.
func TestPrintLoads(t *testing.T) {
	for _, c := range []Config{Defaults(), load(t, example, nil, map[string]string{"model": `C:\models "x"`, "data": "yes", "cors.origins": "*"})} {
		for i := range c.Keys {
			if c.Keys[i].Key != "" {
				c.Keys[i].Hash, c.Keys[i].Key = api.Hash(c.Keys[i].Key), "" // keys are not printed
			}
		}
		text := c.YAML()
		again := load(t, text, nil, nil)
		if again.YAML() != text || !reflect.DeepEqual(again.UpdateOf("support"), c.UpdateOf("support")) || again.Engine != c.Engine {
			t.Errorf("printed\n%s\nloads to\n%+v\nwant\n%+v", text, again, c)
		}
		for _, want := range []string{"# Rank of the adapter", "quarantine: 1h\n", "wait: 30s\n", "deadline: 2h\n"} {
			if !strings.Contains(text, want) {
				t.Errorf("%q is not in\n%s", want, text)
			}
		}
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	c := load(t, example, []string{"NIGHTSHIFT_STORE_REDIS_PASSWORD=hush"}, nil)
	text := c.YAML()
	if strings.Contains(text, "a key of some length") || strings.Contains(text, "hush") || strings.Count(text, "# set, not shown") != 2 {
		t.Errorf("printed:\n%s", text)
	}
}

func TestRefusals(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"lisen: x", "line 1: unknown key lisen: did you mean listen?"},
		{"store:\n  redis:\n    adresses: [a]", "line 3: unknown key store.redis.adresses: did you mean store.redis.addresses?"},
		{"update: {train: {learningrate: 1}}", "did you mean update.train.learning_rate?"},
		{"tracks:\n  a:\n    update:\n      train: {rnk: 3}", "line 4: unknown key tracks.a.update.train.rnk: did you mean tracks.a.update.train.rank?"},
		{"tracks: {a: {updat: {}}}", "did you mean tracks.a.update?"},
		{"threads: many", `line 1: threads: want a whole number, not "many"`},
		{"threads: 1.5", "want a whole number"},
		{"threads: [1]", "want a single value"},
		{"threads: -1", "threads: want at least 0, not -1"},
		{"keys: {a: b}", "keys: want a list"},
		{"log: loud", "log: want a mapping"},
		{"log: {level: loud}", "log.level: want one of debug, info, warn, error"},
		{"- a", "want a mapping"},
		{"a: [", "load configuration"},
		{"listen: x\nlisten: y", "load configuration"},
		{"model: a\n---\nmodel: b", "one document"},
		{"engine: {wait: 30}", "want a duration"},
		{"engine: {bank_rows: 1}", "engine.bank_rows: want 0, or at least 2"},
		{"engine: {chunk: 8}", "engine.chunk: want at least 16, not 8"},
		{"engine: {wait: 3000h}", "engine.wait: want at most 1h"},
		{"store: {redis: {tls: perhaps}}", "want true or false"},
		{"update: {train: {seed: -1}}", "whole number of at least 0"},
		{"update: {train: {clip: .nan}}", "want a number"},
		{"update: {train: {modules: []}}", "update.train.modules: want at least one"},
		{"update: {train: {modules: [auto, mlp.c_fc]}}", "update.train.modules: want auto alone"},
		{"update: {train: {layers: [\"3-1\"]}}", "update.train.layers: want layers from 0"},
		{"update: {train: {layers: [0, \"0-2\"]}}", "update.train.layers: layer 0 is named twice"},
		{"update: {train: {methods: {ewc_keep: 0.9}}}", "update.train.methods.ewc_keep: want 0, or ewc_on: factors"},
		{"update: {train: {teacher: stored, kl_share: 0}}", "update.train.teacher: want champion, or kl_share above 0"},
		{"update: {train: {teacher: base}}", "update.train.teacher: want one of champion, stored"},
		{"update: {train: {kl_share_new: 1.5}}", "update.train.kl_share_new: want"},
		{"update: {memory: {recent: 0}}", "update.memory.recent: want at least 1"},
		{"update: {memory: {strata: 7}}", "update.memory.strata: want at least 8"},
		{"tracks: {a: {update: {memory: {per_subject: -1}}}}", "tracks.a.update.memory.per_subject: want at least 0"},
		{"update: {warm_start: {track: default}}", "update.warm_start.track: want a name like that of a track"},
		{"update: {warm_start: {track: warm-start}, train: {modules: [auto]}}", "update.warm_start.track: want train.modules by name"},
		{"{router: {tracks: [a]}, tracks: {b: {update: {warm_start: {track: a}}}}}", `tracks.b.update.warm_start.track: "a" is named by router`},
		{"update: {warm_start: {track: warm-start, share: 2}}", "update.warm_start.share"},
		{"update: {train: {methods: {orthogonal: 1, slow: 0.5}}}", "update.train.methods.orthogonal: want 0, or slow"},
		{"update: {train: {methods: {orthogonal: 1, orthogonal_rank: 4}}}", "orthogonal_rank: want at least train.rank, 8, not 4"},
		{"{engine: {max_rank: 16}, update: {train: {methods: {orthogonal: 1}}}}", "orthogonal_rank: want at most engine.max_rank, 16, not 32"},
		{"update: {train: {methods: {average: 1}}}", "update.train.methods.average: want at most 0.99999"},
		{"update: {memory_limit: 2GiB}", "update.memory_limit: want a whole number"},
		{"tracks: {a: {update: {threads: 2}}}", "tracks.a.update.threads: want update.threads, which holds for all tracks"},
		{"tracks: {a: {update: {memory_limit: 2}}}", "tracks.a.update.memory_limit: want update.memory_limit"},
		{"update: {schedule: daily at three}", "update.schedule: want minute, hour"},
		{"update: {schedule: \"@every 24h\"}", "update.schedule: want minute, hour, day of month, month, day of week, such as \"30 2 * * *\": @every 24h names no time of day"},
		{"update: {time_zone: Mars/Olympus}", "update.time_zone: want Local, UTC or a name such as Europe/Berlin, not \"Mars/Olympus\""},
		{"tracks: {Support: {}}", "tracks.Support: want a name"},
		{"tracks: {a: {update: {train: {rank: 0}}}}", "tracks.a.update.train.rank: want at least 1"},
		{"tracks: [a]", "tracks: want a mapping"},
		{"listen: 0.0.0.0:8080", "there are no keys"},
		{"listen: \":8080\"", "there are no keys"},
		{"listen: shop.example:8080", "there are no keys"},
		{"listen: localhost", "listen: want host:port"},
		{"listen: 127.0.0.1:99999", "listen: want host:port"},
		{"keys: [{name: a, key: short, roles: [admin]}]", "keys[0].key: want at least 16"},
		{"keys: [{name: a, hash: abc, roles: [admin]}]", "keys[0].hash: want sha256"},
		{"keys: [{name: a, roles: [admin]}]", "keys[0]: want either key or hash"},
		{"keys: [{name: a, key: 0123456789abcdef}]", "keys[0].roles"},
		{"keys: [{name: a, key: 0123456789abcdef, roles: [king]}]", "keys[0].roles[0]: want one of generate, feedback, editor, special_tokens, admin"},
		{"keys: [{name: a, key: 0123456789abcdef, roles: [admin], tracks: [A]}]", "keys[0].tracks[0]"},
		{"keys: [{key: 0123456789abcdef, roles: [admin]}]", "keys[0].name"},
		{"cors: {origins: [shop.example]}", "cors.origins[0]: want *"},
		{"cors: {origins: [\"https://shop.example/\"]}", "cors.origins[0]"},
		{"store: {kind: redis, redis: {addresses: []}}", "store.redis.addresses: want at least one"},
		{"store: {redis: {addresses: [redis]}}", "store.redis.addresses[0]: want host:port"},
		{"redact: {extra: [{name: a, pattern: \"(\"}]}", "redact.extra[0]"},
		{"redact: {disable: [emial]}", "redact.disable[0]: want one of key, email"},
		{"data: \"\"", "data: want a directory"},
	} {
		_, err := LoadConfig(write(t, test.text), nil, nil)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: error %v\nwant %q", test.text, err, test.want)
		}
	}
	for key, test := range map[string][2]string{
		"engine.slot": {"1", "did you mean engine.slots?"}, "engine.slots.x": {"1", "no key below"}, "engine.slots": {"x", "want a whole number"},
		"keys": {"[{nam: x}]", "did you mean keys[0].name?"}, "tracks": {"{a: {updat: 1}}", "did you mean"},
		"redact.extra": {"[", "redact.extra"},
	} {
		if _, err := LoadConfig("", nil, map[string]string{key: test[0]}); err == nil || !strings.Contains(err.Error(), test[1]) {
			t.Errorf("%s=%s: error %v, want %q", key, test[0], err, test[1])
		}
	}
	if _, err := LoadConfig("", []string{"NIGHTSHIFT_ENGINE_SLOTS=many"}, nil); err == nil || !strings.Contains(err.Error(), "NIGHTSHIFT_ENGINE_SLOTS") {
		t.Errorf("a bad variable: %v", err)
	}
	if _, err := LoadConfig(filepath.Join(t.TempDir(), "none"), nil, nil); err == nil {
		t.Error("a file that is not there was loaded")
	}
	// All mistakes are told at once.
	if _, err := LoadConfig(write(t, "lisen: 1\nthreads: x\n"), nil, nil); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("two mistakes: %v", err)
	}
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{"127.0.0.1": true, "127.9.9.9": true, "::1": true, "localhost": true, "": false, "0.0.0.0": false, "::": false, "10.0.0.1": false, "example.org": false} {
		if serve.Loopback(net.JoinHostPort(host, "80")) != want {
			t.Errorf("Loopback(%q) = %v", host, !want)
		}
	}
}

func TestWarmStarts(t *testing.T) {
	c := Defaults()
	if got := c.WarmStarts(); len(got) != 0 {
		t.Errorf("by default %v", got)
	}
	c.Update.WarmStart.Track = "warm-start"
	c.Tracks = map[string]Track{"a": {night.Settings{WarmStart: night.WarmStart{Track: "warm-start"}}}, "b": {}, "c": {night.Settings{WarmStart: night.WarmStart{Track: "early"}}}}
	if got := c.WarmStarts(); !slices.Equal(got, []string{"early", "warm-start"}) {
		t.Errorf("tracks of warm starts %v", got)
	}
}

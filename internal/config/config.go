// Package config holds the one configuration of all commands: Defaults, then a YAML file, then NIGHTSHIFT_* of the
// environment, then what flags say. Later ones win key by key.
//
// Invariants: a key that does not exist is an error that names its line and the nearest key that does; every error names the
// key and says what is allowed; YAML prints a file that loads to the same configuration, with the documentation of every key.
// It opens nothing but the file and checks nothing in the world: whether a model or a server is there is the doctor's matter.
package config

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"maps"
	"path/filepath"
	"slices"
	"time"
)

// Config is the configuration of all commands. Tags: yaml names the key, doc explains it, oneof, min and max bound it, secret
// keeps it from being printed.
type Config struct {
	Model    string           `yaml:"model" doc:"Directory of a GPT-2 checkpoint in Hugging Face layout. Empty: the model that ships."`
	Weights  string           `yaml:"weights" oneof:"f32,int8,int4" doc:"Format of the weights that answers are computed with, and candidates judged: f32 (float32), int8, int4. The last two are made by nightshift import."`
	Data     string           `yaml:"data" doc:"Directory for everything that is written: journal, local store, registry."`
	Registry string           `yaml:"registry" doc:"Directory of versions, activations and nights. Empty: registry in the data directory."`
	Cache    string           `yaml:"cache" doc:"Directory of what can be made again: runtime library, converted weights. Empty: the user's cache directory."`
	Listen   string           `yaml:"listen" doc:"Address to serve on, host:port. Without keys it must be a loopback address."`
	Threads  int              `yaml:"threads" min:"0" max:"1024" doc:"Threads of one computation. 0: as many as the processors that this process may use, by its affinity and by the CPU limit of its\ncgroup. A limit that is no whole number is rounded up, and one below 2 counts as 2: set 1 there."`
	Log      Log              `yaml:"log" doc:"Logging, to standard error."`
	Keys     []Key            `yaml:"keys" doc:"API keys: a list of {name, key or hash, roles, tracks}. roles: generate, feedback, editor, special_tokens, admin. tracks: empty for all.\nWhat an editor corrects is learned without anybody confirming it: give that role to people who answer for what they write.\nspecial_tokens lets a key put special tokens into the prompts of raw completions.\nhash is sha256: and the hex sha256 of the key, so that the file need not hold it."`
	CORS     CORS             `yaml:"cors" doc:"What browsers may do."`
	Store    Store            `yaml:"store" doc:"The replay store: interactions, feedback, rehearsal memory."`
	Engine   Engine           `yaml:"engine" doc:"Generation."`
	Router   Router           `yaml:"router" doc:"Requests that leave it to the server which track answers."`
	Redact   Redact           `yaml:"redact" doc:"Personal data that is taken out before anything is written."`
	Update   Update           `yaml:"update" doc:"Nights: when and how to learn, and what a candidate must prove."`
	Tracks   map[string]Track `yaml:"tracks" doc:"Tracks besides default, and what differs there: support: {update: {schedule: \"0 4 * * *\"}}."`

	// Warnings are for the log: NIGHTSHIFT_* variables that mean nothing. They are no error, because orchestrators set such
	// variables for a service of that name.
	Warnings []string `yaml:"-"`
}

// TrackNames returns, sorted, the tracks besides default that the configuration names: those with settings of their own, those that requests
// are routed among, and those of initial adapters.
func (c Config) TrackNames() []string {
	names := slices.Concat(slices.Collect(maps.Keys(c.Tracks)), c.Router.Tracks, c.Initials())
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return name == "default" })
}

// Log says what is logged and how.
type Log struct {
	Level  string `yaml:"level" oneof:"debug,info,warn,error" doc:"Least level that is written: debug, info, warn, error."`
	Format string `yaml:"format" oneof:"auto,text,json" doc:"text, json, or auto: text on a terminal, json otherwise."`
}

// Key is an API key.
type Key struct {
	Name   string   `yaml:"name" doc:"For logs and metrics."`
	Key    string   `yaml:"key" secret:"true" doc:"The key itself."`
	Hash   string   `yaml:"hash" doc:"sha256: and the hex sha256 of the key."`
	Roles  []string `yaml:"roles" oneof:"generate,feedback,editor,special_tokens,admin" doc:"generate, feedback, editor, special_tokens, admin."`
	Tracks []string `yaml:"tracks" doc:"Tracks it is for. Empty: all."`
}

// Hash returns the form of a key for the hash of Key.
func Hash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Matches compares in constant time.
func (k Key) Matches(presented string) bool {
	want := k.Hash
	if k.Key != "" {
		want = Hash(k.Key)
	}
	return want != "" && subtle.ConstantTimeCompare([]byte(want), []byte(Hash(presented))) == 1
}

// Allows reports whether the key has a role on a track.
func (k Key) Allows(role, track string) bool {
	return slices.Contains(k.Roles, role) && (len(k.Tracks) == 0 || slices.Contains(k.Tracks, track))
}

// CORS says which pages may call from a browser.
type CORS struct {
	Origins []string `yaml:"origins" doc:"Origins such as https://shop.example whose pages may call. * for all."`
}

// Store chooses the replay store.
type Store struct {
	Kind  string `yaml:"kind" oneof:"local,redis" doc:"local: one process, files in the data directory. redis: any number of processes."`
	Redis Redis  `yaml:"redis" doc:"For kind redis."`
}

// Redis says where Redis is.
type Redis struct {
	Addresses []string      `yaml:"addresses" doc:"host:port of the server, of the sentinels (with master), or of nodes of the cluster."`
	Master    string        `yaml:"master" doc:"Name of the master, for Sentinel."`
	Cluster   bool          `yaml:"cluster" doc:"Speak to a Redis Cluster. Several addresses without master mean it too."`
	Username  string        `yaml:"username" doc:"User of Redis ACLs."`
	Password  string        `yaml:"password" secret:"true" doc:"Password. Better in NIGHTSHIFT_STORE_REDIS_PASSWORD."`
	Database  int           `yaml:"database" min:"0" max:"1000000" doc:"Number of the database; 0 with a cluster."`
	TLS       bool          `yaml:"tls" doc:"Connect by TLS."`
	Prefix    string        `yaml:"prefix" doc:"Beginning of all keys."`
	Timeout   time.Duration `yaml:"timeout" min:"10ms" max:"1m" doc:"Of one command."`
}

// Engine bounds generation.
type Engine struct {
	Slots       int           `yaml:"slots" min:"1" max:"1024" doc:"Sequences that generate at the same time."`
	Queue       int           `yaml:"queue" min:"0" max:"1000000" doc:"Requests that may wait for a slot; more are refused with 429."`
	QueueTokens int           `yaml:"queue_tokens" min:"0" doc:"Tokens, prompts and longest answers together, that may wait. 0: a quarter of queue full contexts."`
	Wait        time.Duration `yaml:"wait" min:"0s" max:"1h" doc:"How long a request may wait for a slot; then it is refused with 429. 0: as long as the client waits."`
	MaxTokens   int           `yaml:"max_tokens" min:"1" max:"1000000" doc:"Most tokens of one answer. The model's context bounds it too."`
	BankRows    int           `yaml:"bank_rows" min:"0" max:"65536" doc:"Rows of rank 8 for resident adapters, the empty one of the base model included. An adapter of rank 16 takes two. A row takes memory\nonce it is used. 0: as many as 512 MiB hold, but at least 33 and at most 129."`
	Chunk       int           `yaml:"chunk" min:"16" max:"1024" doc:"Positions of a prompt that are computed between two steps of the answers under way, which wait for no longer than these take: fewer\nshorten the longest time between two of their tokens, and prompts take longer. prefix_cache keeps prompts in pieces of so many. Answers\ndepend on it in their last bits: servers of one model should have the same."`
	PrefixCache int           `yaml:"prefix_cache" min:"0" max:"1048576" doc:"Memory in MiB for what prompts begin with, so that a system prompt is computed once for each version. It is kept in whole pieces of\nengine.chunk tokens: a system prompt of fewer, 128 by default, is computed for every request, and so is what a longer one has\nbeyond the last whole piece. 0: off."`
	MaxRank     int           `yaml:"max_rank" min:"8" max:"1024" doc:"Largest rank of an adapter. A batch with an adapter of more than rank 8 pays for this many in every sequence."`
	Spin        bool          `yaml:"spin" doc:"Threads that wait for the next operator of a step spin for some microseconds before they sleep: small steps are faster.\nfalse: they sleep at once, which leaves the most to other programs on the same processors."`
	Lookup      int           `yaml:"lookup" min:"0" max:"64" doc:"Longest draft in tokens, such as 8, for an answer that is generated while there is no other: what followed its last tokens\nwhere they stood before is computed at once and kept as far as it is right. Answers that repeat what was said come faster.\nProbabilities then differ in their last bits by whether an answer was alone, and so may a word where two are equally likely.\n0: off; an answer depends on the request and its version alone."`
}

// Router says among which tracks a request may be routed.
type Router struct {
	Tracks     []string `yaml:"tracks" doc:"Tracks that the model name below chooses among, by what they have learned from, such as [support, billing]; default is always\namong them. Empty: off."`
	Model      string   `yaml:"model" doc:"Model name of requests that leave the track open."`
	Confidence float64  `yaml:"confidence" min:"0" max:"1" doc:"Least probability of a choice; what is less sure is answered by the track default."`
}

// Redact chooses redaction rules.
type Redact struct {
	Disable []string      `yaml:"disable" oneof:"key,email,iban,card,phone" doc:"Built-in rules that are off: key, email, iban, card, phone."`
	Extra   []RedactExtra `yaml:"extra" doc:"More rules: a list of {name, pattern}, patterns in RE2. member: \"\\\\bM-[0-9]{6}\\\\b\" gives [MEMBER]."`
}

// RedactExtra is a rule of one's own.
type RedactExtra struct {
	Name    string `yaml:"name" doc:"a-z, 0-9 and _."`
	Pattern string `yaml:"pattern" doc:"Regular expression, RE2."`
}

// Track is what differs in one track.
type Track struct {
	Update Update `yaml:"update" doc:"As update above; what is not said here is as there."`
}

// Defaults returns the configuration of an empty file.
func Defaults() Config {
	return Config{
		Weights: "f32", Data: "./data", Listen: "127.0.0.1:8080",
		Log:    Log{Level: "info", Format: "auto"},
		Store:  Store{Kind: "local", Redis: Redis{Addresses: []string{"127.0.0.1:6379"}, Prefix: "nightshift", Timeout: 500 * time.Millisecond}},
		Engine: Engine{Slots: 16, Queue: 256, Wait: 30 * time.Second, MaxTokens: 1024, Chunk: 128, PrefixCache: 256, MaxRank: 64, Spin: true},
		Router: Router{Model: "auto", Confidence: 0.8},
		Update: Update{
			Schedule: "0 3 * * *", TimeZone: "Local", Forgetting: 0.1, Evidence: Evidence{
				MinNewExamples: 12, MinSubjects: 3, LargestShare: 0.5, Quarantine: time.Hour, MaxExamples: 5000, PerSubject: 20, HeldOut: 0.2,
				NearDuplicates: 0.85, ClusterSubjects: 2, ClusterExamples: 3, PhraseExamples: 10, ConfirmWithin: 168 * time.Hour,
			},
			Memory: Memory{Recent: 512, PerStratum: 512, Strata: 64, PerSubject: 50},
			Train: Train{
				Rank: 8, Alpha: 16, Modules: []string{"mlp"}, Warmup: 0.05, Clip: 1, WeightDecay: 0,
				Epochs: 5, Learned: 0.98, MaxSteps: 1000, MaxTime: time.Hour, RowTokens: 512, BatchTokens: 2048, KLShare: 0.5, Teacher: "champion", RehearsalRatio: 4, CorrectionWeight: 1, ApprovalWeight: 0.5, Seed: 1,
				Objective: "sft", Preferences: Preferences{Share: 1, Beta: 0.5, ChangedOnly: true}, Ratings: Ratings{Share: 1, Beta: 0.5},
				RehearsalPolicy: "random", RehearsalUniform: 0.2, RehearsalReplacement: "random",
				Methods: Methods{EWCOn: "products", EWCExamples: 64, SIDamping: 1e-3, RoundShare: 0.5, OrthogonalRank: 32},
			},
			Gate: Gate{
				SignTest: 0.05, RetentionChampion: 0.03, RetentionReference: 0.05, Drift: 0.1, Taught: 0.75, Repetition: 0.02, Length: 0.2, EndOfText: 0.05, Bootstrap: 2000,
			},
			Initial:  Initial{Rounds: 25, Steps: 60, Share: 1},
			Canary:   Canary{Step: 24 * time.Hour, People: 20, Patience: 7 * 24 * time.Hour, Error: 0.05},
			Deadline: 2 * time.Hour, Nice: 10, Governor: Governor{Target: 100 * time.Millisecond, Least: 0.1},
		},
	}
}

// PrefixBytes is the memory for beginnings of prompts in bytes, negative for none.
func (e Engine) PrefixBytes() int64 {
	if e.PrefixCache == 0 {
		return -1
	}
	return int64(e.PrefixCache) << 20
}

// RegistryDir returns the directory of the registry.
func (c Config) RegistryDir() string {
	if c.Registry != "" {
		return c.Registry
	}
	return filepath.Join(c.Data, "registry")
}

// UpdateOf returns the learning configuration of a track.
func (c Config) UpdateOf(track string) Update {
	if t, ok := c.Tracks[track]; ok {
		return t.Update
	}
	return c.Update
}

// Initials are the tracks whose versions are initial adapters.
func (c Config) Initials() []string {
	set := map[string]bool{c.Update.Initial.Track: true}
	for _, t := range c.Tracks {
		set[t.Update.Initial.Track] = true
	}
	delete(set, "")
	return slices.Sorted(maps.Keys(set))
}

package app

import (
	"maps"
	"path/filepath"
	"slices"
	"time"

	"nightshift/internal/config"
	"nightshift/internal/redact"
	"nightshift/serve"
	"nightshift/serve/api"
	"nightshift/update/night"
)

// Config is the configuration of all commands. internal/config says what the tags mean; the sections live where they are used.
type Config struct {
	Model    string           `yaml:"model" doc:"Directory of a checkpoint in Hugging Face layout, or a GGUF file: GPT-2, Llama, Mistral, Qwen2 or Qwen3; as GGUF all but GPT-2. Empty: the model that ships."`
	Weights  string           `yaml:"weights" oneof:"f32,int8,int4" doc:"Format of the weights that answers are computed with and candidates are judged with: f32 (float32), int8, int4. int8 and int4 weights are\nmade by nightshift import."`
	Data     string           `yaml:"data" doc:"Directory for everything that is written: journal, local store, registry."`
	Registry string           `yaml:"registry" doc:"Directory of versions, activations and nights. Empty: registry in the data directory."`
	Cache    string           `yaml:"cache" doc:"Directory of what can be made again: runtime library, converted weights. Empty: the user's cache directory."`
	Listen   string           `yaml:"listen" doc:"Address to serve on, host:port. Without API keys it must be a loopback address."`
	Threads  int              `yaml:"threads" min:"0" max:"1024" doc:"Number of threads of one computation. 0: as many as the processors that this process may use, by its affinity and by the CPU limit of its\ncgroup. A limit that is no whole number is rounded up, and one below 2 counts as 2: set 1 there."`
	Log      Log              `yaml:"log" doc:"Logging, to standard error."`
	Keys     []api.Key        `yaml:"keys" doc:"API keys: a list of {name, key or hash, roles, tracks}. roles: generate, feedback, editor, special_tokens, admin. tracks: empty for all.\nCorrections by an editor are learned without confirmation by other users: give that role to people who answer for what they write.\nspecial_tokens lets a key put special tokens into the prompts of raw completions.\nhash is sha256: and the hex sha256 of the key, so that the file need not hold the key."`
	CORS     api.CORS         `yaml:"cors" doc:"Cross-origin requests (CORS) of browsers."`
	Store    Store            `yaml:"store" doc:"The replay store: interactions, feedback, rehearsal memory."`
	Engine   Engine           `yaml:"engine" doc:"Generation."`
	Router   serve.Router     `yaml:"router" doc:"Routing of requests that leave the track open."`
	Redact   redact.Config    `yaml:"redact" doc:"Redaction of personal data before anything is written."`
	Update   night.Settings   `yaml:"update" doc:"Nights: when and how to learn, and what a candidate must prove."`
	Tracks   map[string]Track `yaml:"tracks" doc:"Tracks besides default, and the settings that differ there, such as support: {update: {schedule: \"0 4 * * *\"}}."`

	// Warnings are for the log: see config.Load.
	Warnings []string `yaml:"-"`
}

// Log says what is logged and how.
type Log struct {
	Level  string `yaml:"level" oneof:"debug,info,warn,error" doc:"Minimum level of messages that are logged: debug, info, warn, error."`
	Format string `yaml:"format" oneof:"auto,text,json" doc:"Format of log messages: text, json, or auto, which is text on a terminal and json otherwise."`
}

// Store chooses the replay store.
type Store struct {
	Kind  string `yaml:"kind" oneof:"local,redis" doc:"Kind of the replay store. local: files in the data directory, for one process. redis: a Redis server, for any number of processes."`
	Redis Redis  `yaml:"redis" doc:"Connection to Redis, for the store kind redis."`
}

// Redis says where Redis is.
type Redis struct {
	Addresses []string      `yaml:"addresses" doc:"Addresses, host:port, of the Redis server, of the sentinels (with master), or of nodes of the cluster."`
	Master    string        `yaml:"master" doc:"Name of the master, for Redis Sentinel."`
	Cluster   bool          `yaml:"cluster" doc:"Whether Redis is a cluster. Several addresses without master mean a cluster too."`
	Username  string        `yaml:"username" doc:"User name of the Redis ACL."`
	Password  string        `yaml:"password" secret:"true" doc:"Password of the Redis user. Better in NIGHTSHIFT_STORE_REDIS_PASSWORD than in a file."`
	Database  int           `yaml:"database" min:"0" max:"1000000" doc:"Number of the Redis database. It must be 0 with a cluster."`
	TLS       bool          `yaml:"tls" doc:"Whether to connect to Redis by TLS."`
	Prefix    string        `yaml:"prefix" doc:"Prefix of all Redis keys."`
	Timeout   time.Duration `yaml:"timeout" min:"10ms" max:"1m" doc:"Timeout of one Redis command."`
}

// Engine bounds generation.
type Engine struct {
	Slots       int           `yaml:"slots" min:"1" max:"1024" doc:"Maximum number of sequences that are generated at the same time."`
	Queue       int           `yaml:"queue" min:"0" max:"1000000" doc:"Maximum number of requests that wait for a slot. Further ones are refused with 429."`
	QueueTokens int           `yaml:"queue_tokens" min:"0" doc:"Maximum number of tokens of all waiting requests, prompts and maximum answer lengths together. 0: a quarter of queue full contexts."`
	Wait        time.Duration `yaml:"wait" min:"0s" max:"1h" doc:"Maximum time that a request waits for a slot before it is refused with 429. 0: as long as the client waits."`
	MaxTokens   int           `yaml:"max_tokens" min:"1" max:"1000000" doc:"Maximum number of tokens of one answer. The model's context bounds it too."`
	BankRows    int           `yaml:"bank_rows" min:"0" max:"65536" doc:"Number of rows of rank 8 for resident adapters, the empty one of the base model included. An adapter of rank 16 takes two rows. A row takes\nmemory once it is used. 0: as many as 512 MiB hold, but at least 33 and at most 129."`
	Chunk       int           `yaml:"chunk" min:"16" max:"1024" doc:"Number of prompt positions that are prefilled between two decoding steps. Running answers wait for no longer than one chunk: smaller chunks\nshorten the maximum inter-token latency, and prompts take longer. The prefix cache keeps prompts in pieces of this size. Answers depend on it\nin their last bits: all servers of one model should have the same value."`
	PrefixCache int           `yaml:"prefix_cache" min:"0" max:"1048576" doc:"Memory in MiB of the prefix cache, which computes a shared beginning of prompts, such as a system prompt, once for each version. It keeps\nwhole pieces of engine.chunk tokens: a system prompt of fewer, 128 by default, is computed for every request, and so are the tokens of a\nlonger one beyond its last whole piece. 0: off."`
	MaxRank     int           `yaml:"max_rank" min:"8" max:"1024" doc:"Maximum rank of an adapter. In a batch with an adapter of more than rank 8 every sequence costs as much as an adapter of this rank."`
	Spin        bool          `yaml:"spin" doc:"Whether threads that wait for the next operator of a step spin for some microseconds before they sleep, which makes small steps faster.\nfalse: they sleep at once, which leaves the most to other programs on the same processors."`
	Lookup      int           `yaml:"lookup" min:"0" max:"64" doc:"Maximum number of draft tokens of prompt-lookup decoding, such as 8. While an answer is the only one, the tokens that followed an earlier\noccurrence of its last tokens are verified at once and kept as far as they are right, so answers that repeat earlier text come faster.\nProbabilities then differ in their last bits by whether an answer was alone, and so may a token where two are equally likely.\n0: off; an answer depends on the request and its version alone."`
}

// Track is what differs in one track.
type Track struct {
	Update night.Settings `yaml:"update" inherits:"update" doc:"Learning settings of the track, as update above; keys that are missing here are as there."`
}

// Defaults returns the configuration of an empty file.
func Defaults() Config {
	return Config{
		Weights: "f32", Data: "./data", Listen: "127.0.0.1:8080",
		Log:    Log{Level: "info", Format: "auto"},
		Store:  Store{Kind: "local", Redis: Redis{Addresses: []string{"127.0.0.1:6379"}, Prefix: "nightshift", Timeout: 500 * time.Millisecond}},
		Engine: Engine{Slots: 16, Queue: 256, Wait: 30 * time.Second, MaxTokens: 1024, Chunk: 128, PrefixCache: 256, MaxRank: 64, Spin: true},
		Router: serve.Router{Model: "auto", Confidence: 0.8},
		Update: night.Defaults(),
	}
}

// YAML returns the configuration as a file that loads to the same; see config.YAML.
func (c Config) YAML() string { return config.YAML(c) }

// LoadConfig returns the configuration of a file ("" for none), an environment and overrides; see config.Load.
func LoadConfig(path string, environ []string, overrides map[string]string) (Config, error) {
	c := Defaults()
	warnings, err := config.Load(&c, path, environ, overrides)
	if err != nil {
		return Config{}, err
	}
	c.Warnings = warnings
	return c, nil
}

// TrackNames returns, sorted, the tracks besides default that the configuration names: those with settings of their own, those that requests
// are routed among, and those of warm starts.
func (c Config) TrackNames() []string {
	names := slices.Concat(slices.Collect(maps.Keys(c.Tracks)), c.Router.Tracks, c.WarmStarts())
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return name == "default" })
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
func (c Config) UpdateOf(track string) night.Settings {
	if t, ok := c.Tracks[track]; ok {
		return t.Update
	}
	return c.Update
}

// WarmStarts are the tracks whose versions are warm starts.
func (c Config) WarmStarts() []string {
	set := map[string]bool{c.Update.WarmStart.Track: true}
	for _, t := range c.Tracks {
		set[t.Update.WarmStart.Track] = true
	}
	delete(set, "")
	return slices.Sorted(maps.Keys(set))
}

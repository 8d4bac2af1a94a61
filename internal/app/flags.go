package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nightshift/internal/registry"
	"nightshift/models/demo"
	"nightshift/onnx/ort"
)

// Flags are those that every command has.
type Flags struct {
	file string
	set  []string
	// Flags that stand for a key of the configuration.
	model, weights, data, listen string
	threads                      int
}

// AddFlags defines the flags.
func (s *Flags) AddFlags(flags *pflag.FlagSet) {
	flags.StringVarP(&s.file, "config", "c", "", "configuration file (default: nightshift.yaml where there is one)")
	flags.StringArrayVar(&s.set, "set", nil, "set one key of the configuration: --set update.train.rank=16")
	flags.StringVar(&s.model, "model", "", "model directory, in place of the key model")
	flags.StringVar(&s.weights, "weights", "", "format of the weights: f32, int8 or int4, in place of the key weights")
	flags.StringVar(&s.data, "data", "", "data directory, in place of the key data")
	flags.StringVar(&s.listen, "listen", "", "address to serve on, in place of the key listen")
	flags.IntVar(&s.threads, "threads", 0, "threads of one computation, in place of the key threads")
}

// Load reads the configuration that the flags describe.
func (s *Flags) Load(cmd *cobra.Command) (Config, error) {
	overrides := map[string]string{}
	for _, kv := range s.set {
		key, value, ok := strings.Cut(kv, "=")
		if !ok {
			return Config{}, fmt.Errorf("--set %s: write key=value", kv)
		}
		overrides[key] = value
	}
	for _, f := range []string{"model", "weights", "data", "listen", "threads"} {
		if flag := cmd.Root().PersistentFlags().Lookup(f); flag.Changed {
			overrides[f] = flag.Value.String()
		}
	}
	path := s.file
	if path == "" {
		path = os.Getenv("NIGHTSHIFT_CONFIG")
	}
	if path == "" {
		if _, err := os.Stat("nightshift.yaml"); err == nil {
			path = "nightshift.yaml"
		}
	}
	return LoadConfig(path, os.Environ(), overrides)
}

// CacheDir is the directory of what can be made again.
func CacheDir(c Config) (string, error) {
	if c.Cache != "" {
		return filepath.Abs(c.Cache)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache directory: %w; set cache or NIGHTSHIFT_CACHE", err)
	}
	return filepath.Join(dir, "nightshift"), nil
}

// ModelDir is the directory of the model: the configured one, what a configured GGUF file was exported to, or the model that ships,
// unpacked into the cache.
func ModelDir(c Config) (dir, cache string, err error) {
	if cache, err = CacheDir(c); err != nil {
		return "", "", err
	}
	if c.Model != "" {
		if dir, err = filepath.Abs(c.Model); err == nil && isGGUF(dir) {
			dir, err = ggufDir(dir, cache)
		}
		return dir, cache, err
	}
	dir, err = demo.Dir(cache)
	return dir, cache, err
}

// OpenRuntime finds ONNX Runtime, fetches it where it is missing, and opens it.
func OpenRuntime(ctx context.Context, c Config) error {
	cache, err := CacheDir(c)
	if err != nil {
		return err
	}
	_, err = ort.Open(ctx, ort.FindOptions{CacheDir: cache, Download: true, Progress: os.Stderr})
	return err
}

// OpenRegistry opens the registry alone; running servers see what is written to it. To read it makes no directory.
func (s *Flags) OpenRegistry(cmd *cobra.Command) (*registry.Registry, error) {
	c, err := s.Load(cmd)
	if err != nil {
		return nil, err
	}
	return RegistryOf(c)
}

// RegistryOf opens the registry of a configuration, with the tracks that this names.
func RegistryOf(c Config) (*registry.Registry, error) {
	r, err := registry.Look(c.RegistryDir(), nil)
	if err != nil {
		return nil, err
	}
	return r, r.Declare(c.TrackNames()...)
}

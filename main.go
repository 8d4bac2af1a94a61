// Command nightshift serves a GPT-2-family model by day and learns from its users by night.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"nightshift/internal/config"
	"nightshift/internal/registry"
	"nightshift/internal/telemetry"
	"nightshift/models/demo"
	"nightshift/onnx/ort"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := rootCommand().ExecuteContext(ctx)
	if err == nil {
		return
	}
	var code exitCode
	if errors.As(err, &code) {
		os.Exit(int(code))
	}
	fmt.Fprintln(os.Stderr, "nightshift:", advise(err))
	os.Exit(1)
}

// advise is an error's text, with what lists the tracks where one was mistyped that is near none.
func advise(err error) string {
	text := err.Error()
	if errors.Is(err, registry.ErrNoTrack) && !strings.HasSuffix(text, "?") {
		text += "; nightshift track list lists them, nightshift track create makes one"
	}
	return text
}

// exitCode ends the program with a status and prints nothing: the command has said all.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit status %d", int(c)) }

// settings are the flags that every command has.
type settings struct {
	file string
	set  []string
	// Flags that stand for a key of the configuration.
	model, weights, data, listen string
	threads                      int
}

func rootCommand() *cobra.Command {
	var s settings
	root := &cobra.Command{
		Use:           "nightshift",
		Short:         "Serve a GPT-2-family model by day and learn from its users by night",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       telemetry.BuildInfo().Version,
	}
	flags := root.PersistentFlags()
	flags.StringVarP(&s.file, "config", "c", "", "configuration file (default: nightshift.yaml where there is one)")
	flags.StringArrayVar(&s.set, "set", nil, "set one key of the configuration: --set update.train.rank=16")
	flags.StringVar(&s.model, "model", "", "model directory, in place of the key model")
	flags.StringVar(&s.weights, "weights", "", "format of the weights: f32, int8 or int4, in place of the key weights")
	flags.StringVar(&s.data, "data", "", "data directory, in place of the key data")
	flags.StringVar(&s.listen, "listen", "", "address to serve on, in place of the key listen")
	flags.IntVar(&s.threads, "threads", 0, "threads of one computation, in place of the key threads")
	root.AddCommand(commands(&s)...)
	root.SetHelpCommand(helpCommand())
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	root.SetFlagErrorFunc(flagError)
	for _, c := range root.Commands() {
		check(c)
	}
	check(root)
	s.completeFlags(root)
	wholeVersions(root)
	narrowHelp(root)
	return root
}

// load reads the configuration that the flags describe.
func (s *settings) load(cmd *cobra.Command) (config.Config, error) {
	overrides := map[string]string{}
	for _, kv := range s.set {
		key, value, ok := strings.Cut(kv, "=")
		if !ok {
			return config.Config{}, fmt.Errorf("--set %s: write key=value", kv)
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
	return config.Load(path, os.Environ(), overrides)
}

// cacheDir is the directory of what can be made again.
func cacheDir(c config.Config) (string, error) {
	if c.Cache != "" {
		return filepath.Abs(c.Cache)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache directory: %w; set cache or NIGHTSHIFT_CACHE", err)
	}
	return filepath.Join(dir, "nightshift"), nil
}

// modelDir is the directory of the model: the configured one, or the one that ships, unpacked into the cache.
func modelDir(c config.Config) (dir, cache string, err error) {
	if cache, err = cacheDir(c); err != nil {
		return "", "", err
	}
	if c.Model != "" {
		dir, err = filepath.Abs(c.Model)
		return dir, cache, err
	}
	dir, err = demo.Dir(cache)
	return dir, cache, err
}

// openRuntime finds ONNX Runtime, fetches it where it is missing, and opens it.
func openRuntime(ctx context.Context, c config.Config) error {
	cache, err := cacheDir(c)
	if err != nil {
		return err
	}
	_, err = ort.Open(ctx, ort.FindOptions{CacheDir: cache, Download: true, Progress: os.Stderr})
	return err
}

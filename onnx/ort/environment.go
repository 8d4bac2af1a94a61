package ort

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	rt "github.com/yalue/onnxruntime_go"
)

// LogLevel says what the runtime may print to standard error itself. What goes wrong is returned as an error in any
// case, so the default is (nearly) silent.
type LogLevel int

// From the quietest on; each prints what those before it do.
const (
	LogFatal LogLevel = iota // only what ends the process
	LogError
	LogWarning
	LogInfo
	LogVerbose
)

func (l LogLevel) native() rt.LoggingLevel {
	switch l {
	case LogError:
		return rt.LoggingLevelError
	case LogWarning:
		return rt.LoggingLevelWarning
	case LogInfo:
		return rt.LoggingLevelInfo
	case LogVerbose:
		return rt.LoggingLevelVerbose
	}
	return rt.LoggingLevelFatal
}

// environment is the process's one runtime. It stays open until the process ends.
var environment struct {
	sync.Mutex
	open    bool
	library Library
}

// Open finds the library (see [Find]), loads it and opens the environment. The first success decides for the process:
// later calls return the library that is open and look at nothing. After a failure it may be called again.
func Open(ctx context.Context, opt FindOptions) (Library, error) {
	environment.Lock()
	defer environment.Unlock()
	if environment.open {
		return environment.library, nil
	}
	library, err := Find(ctx, opt)
	if err != nil {
		return Library{}, err
	}
	rt.SetSharedLibraryPath(library.Path)
	if err := rt.InitializeEnvironment(); err != nil {
		return Library{}, fmt.Errorf("load ONNX Runtime from %s: %w; it is older than this build needs, or made for "+
			"another system: set %s to version %s built for this one", library.Path, err, EnvLibrary, RuntimeVersion)
	}
	library.Version = rt.GetVersion()
	if !compatible(library.Version) {
		rt.DestroyEnvironment()
		return Library{}, wrongVersion(library.Path, library.Version)
	}
	if err := errors.Join(rt.SetEnvironmentLogLevel(opt.LogLevel.native()), rt.DisableTelemetry()); err != nil {
		rt.DestroyEnvironment()
		return Library{}, fmt.Errorf("open ONNX Runtime from %s: %w", library.Path, err)
	}
	environment.open, environment.library = true, library
	return library, nil
}

// Version is the version of the library that is open, "" when none is.
func Version() string {
	environment.Lock()
	defer environment.Unlock()
	return environment.library.Version
}

// SetLogLevel changes what the runtime prints.
func SetLogLevel(level LogLevel) error {
	environment.Lock()
	defer environment.Unlock()
	if !environment.open {
		return fmt.Errorf("set log level of ONNX Runtime: %w", notOpen(rt.NotInitializedError))
	}
	return rt.SetEnvironmentLogLevel(level.native())
}

// notOpen says in our words that the environment is not open.
func notOpen(err error) error {
	if errors.Is(err, rt.NotInitializedError) {
		return errors.New("ONNX Runtime is not open: call ort.Open first")
	}
	return err
}

// cacheDir is where the project keeps what it fetched.
func cacheDir() (string, error) {
	if dir := os.Getenv("NIGHTSHIFT_CACHE"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder: %w; set NIGHTSHIFT_CACHE", err)
	}
	return dir + string(os.PathSeparator) + "nightshift", nil
}

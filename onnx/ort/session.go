package ort

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"time"

	rt "github.com/yalue/onnxruntime_go"
)

// SessionConfig says how a model is run. The zero value is all cores, weights inside the model, the arena and memory
// patterns on. Every session runs its nodes one after the other, with all graph optimisations.
type SessionConfig struct {
	Threads              int               // inside one operator; 0: as many as there are physical cores
	ExternalDir          string            // where the model's external data lies; the model's locations are relative to it
	Weights              *SharedWeights    // the model's external data, in place of ExternalDir, shared with other sessions
	Spin                 bool              // threads that wait for the next operator spin for spinTime before they sleep
	DisablePrepacking    bool              // no packed copies of constant matrices: less memory, slower
	DisableArena         bool              // give memory back after each run
	DisableMemoryPattern bool              // do not plan memory by shape: for models whose shapes keep changing
	DisableOptimizations bool              // run the graph as it is written, for tests of operators
	Entries              map[string]string // further session configuration entries, by the runtime's keys
}

// spinTime is how long a thread spins for work before it sleeps. It is longer than the operators of a decode step that run on
// one thread, so that a step is as fast as with threads that never sleep (measured: within 5 %), and so short that waiting
// threads use up little of their share of a processor: what they would use for waiting they lack for computing where another
// process wants the same processor.
const spinTime = 35 * time.Microsecond

// A Session is a loaded model.
type Session struct {
	inputs, outputs []Info
	byName          [2]map[string]*Info // inputs, outputs

	// Locks are taken in the order Session.mu, Binding.mu, Session.bindMu.
	mu       sync.RWMutex // read: a run; write: Close
	session  *rt.DynamicAdvancedSession
	weights  *SharedWeights // nil: its own
	bindings map[*Binding]struct{}
	bindMu   sync.Mutex // guards bindings
}

// NewSession loads an encoded model. The bytes are not needed afterwards. Errors of the runtime name the node or the
// weight at fault.
func NewSession(model []byte, cfg SessionConfig) (*Session, error) {
	s := &Session{bindings: map[*Binding]struct{}{}}
	var err error
	if s.inputs, s.outputs, err = signature(model); err != nil {
		return nil, fmt.Errorf("read model of %d bytes: %w", len(model), err)
	}
	for i, infos := range [][]Info{s.inputs, s.outputs} {
		s.byName[i] = make(map[string]*Info, len(infos))
		for j := range infos {
			s.byName[i][infos[j].Name] = &infos[j]
		}
	}
	options, err := cfg.options()
	if err != nil {
		return nil, fmt.Errorf("configure session: %w", err)
	}
	defer options.Destroy()
	if cfg.Weights == nil {
		s.session, err = rt.NewDynamicAdvancedSessionWithONNXData(model, names(s.inputs), names(s.outputs), options)
	} else {
		s.session, err = cfg.Weights.open(model, names(s.inputs), names(s.outputs), options)
		s.weights = cfg.Weights
	}
	if err != nil {
		return nil, fmt.Errorf("load model: %w", notOpen(err))
	}
	return s, nil
}

func names(infos []Info) []string {
	list := make([]string, len(infos))
	for i, info := range infos {
		list[i] = info.Name
	}
	return list
}

// options makes the runtime's options, which the caller destroys.
func (cfg SessionConfig) options() (*rt.SessionOptions, error) {
	if cfg.Threads < 0 {
		return nil, fmt.Errorf("%d threads: give 0 for all cores or a positive number", cfg.Threads)
	}
	entries := map[string]string{
		"session.intra_op.allow_spinning": flag(cfg.Spin),
		"session.disable_prepacking":      flag(cfg.DisablePrepacking),
	}
	if cfg.Spin {
		entries["session.intra_op.spin_duration_us"] = strconv.FormatInt(spinTime.Microseconds(), 10)
	}
	const folder = "session.model_external_initializers_file_folder_path"
	switch {
	case cfg.Weights != nil:
		entries[folder] = cfg.Weights.dir
	case cfg.ExternalDir != "":
		dir, err := externalDir(cfg.ExternalDir)
		if err != nil {
			return nil, err
		}
		entries[folder] = dir
	}
	maps.Copy(entries, cfg.Entries)
	o, err := rt.NewSessionOptions()
	if err != nil {
		return nil, notOpen(err)
	}
	level := rt.GraphOptimizationLevel(rt.GraphOptimizationLevelEnableAll)
	if cfg.DisableOptimizations {
		level = rt.GraphOptimizationLevelDisableAll
	}
	err = errors.Join(
		o.SetExecutionMode(rt.ExecutionModeSequential),
		o.SetInterOpNumThreads(1),
		o.SetIntraOpNumThreads(cfg.Threads),
		o.SetGraphOptimizationLevel(level),
		o.SetCpuMemArena(!cfg.DisableArena),
		o.SetMemPattern(!cfg.DisableMemoryPattern),
	)
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		if e := o.AddSessionConfigEntry(key, entries[key]); e != nil {
			err = errors.Join(err, fmt.Errorf("session entry %s=%s: %w", key, entries[key], e))
		}
	}
	if err != nil {
		o.Destroy()
		return nil, err
	}
	return o, nil
}

// externalDir is the folder as the runtime wants it: absolute and without symbolic links.
func externalDir(dir string) (string, error) {
	real, err := filepath.EvalSymlinks(dir)
	if err == nil {
		real, err = filepath.Abs(real)
	}
	if err != nil {
		return "", fmt.Errorf("folder of external data: %w", err)
	}
	if info, err := os.Stat(real); err != nil || !info.IsDir() {
		return "", fmt.Errorf("folder of external data: %s is not a folder", dir)
	}
	return real, nil
}

func flag(on bool) string {
	if on {
		return "1"
	}
	return "0"
}

// Inputs returns the model's inputs, in its order. The result is not to be changed.
func (s *Session) Inputs() []Info { return s.inputs }

// Outputs returns the model's outputs, in its order. The result is not to be changed.
func (s *Session) Outputs() []Info { return s.outputs }

// Run runs the model once: in has every input. Every key of out is an output; a tensor given there receives the result
// (its shape must be the result's), a nil is replaced by a new tensor, which the caller closes. All outputs are
// computed, also those that out does not name. On an error the map is as it was, and given tensors may be partly written.
//
// It is the convenient way, and allocates; see [Binding] for the fast one.
func (s *Session) Run(in, out map[string]*Tensor) error {
	return s.RunContext(context.Background(), in, out)
}

// RunContext is Run that stops early, after the node it is in, when ctx is done. The error is then ctx's cause.
func (s *Session) RunContext(ctx context.Context, in, out map[string]*Tensor) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.session == nil {
		return fmt.Errorf("run session: %w", errClosed)
	}
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("run session: %w", err)
	}
	var held []*hold
	defer func() {
		for _, h := range held {
			h.release()
		}
	}()
	inputs, err := s.values(inputSide, s.inputs, in, &held)
	if err != nil {
		return fmt.Errorf("run session: %w", err)
	}
	outputs, err := s.values(outputSide, s.outputs, out, &held)
	if err != nil {
		return fmt.Errorf("run session: %w", err)
	}
	if len(inputs) == 0 {
		return s.runWithoutInputs(out)
	}
	given := slices.Clone(outputs)
	if err := s.runTerminable(ctx, inputs, outputs); err != nil {
		for i, v := range outputs {
			// The bindings leave a nil pointer in the interface where they could not read an output.
			if given[i] == nil && v != nil && !reflect.ValueOf(v).IsNil() {
				v.Destroy()
			}
		}
		if errors.Is(err, rt.ZeroShapeLengthError) {
			err = fmt.Errorf("an output %w", errScalar)
		}
		return fmt.Errorf("run session: %w", err)
	}
	return s.collect(given, outputs, out)
}

var (
	errClosed = errors.New("already closed")
	errScalar = errors.New("has no dimensions and cannot be read back: give it the shape [1] in the model")
)

const (
	inputSide  = 0
	outputSide = 1
)

// values puts the tensors of a map in the model's order, after checking them. Each one is held for the run.
func (s *Session) values(side int, infos []Info, given map[string]*Tensor, held *[]*hold) ([]rt.Value, error) {
	for name := range given {
		if s.byName[side][name] == nil {
			return nil, s.unknown(side, name)
		}
	}
	values := make([]rt.Value, len(infos))
	for i := range infos {
		info := &infos[i]
		t := given[info.Name]
		if t == nil {
			if side == inputSide {
				return nil, fmt.Errorf("input %s is missing", info.Name)
			}
			if info.Dims != nil && len(info.Dims) == 0 {
				return nil, fmt.Errorf("output %s %w", info.Name, errScalar)
			}
			continue
		}
		if err := info.accepts(side, t); err != nil {
			return nil, err
		}
		if !t.hold.retain() {
			return nil, fmt.Errorf("tensor for %s: %w", info.Name, errClosed)
		}
		*held = append(*held, t.hold)
		values[i] = t.hold.value
	}
	return values, nil
}

func (s *Session) unknown(side int, name string) error {
	word, infos := "input", s.inputs
	if side == outputSide {
		word, infos = "output", s.outputs
	}
	return fmt.Errorf("the model has no %s %s: it has %v", word, strconv.Quote(name), names(infos))
}

// accepts checks a tensor against what the model declares.
func (info *Info) accepts(side int, t *Tensor) error {
	word := "input"
	if side == outputSide {
		word = "output"
	}
	if info.Type != t.dtype {
		return fmt.Errorf("%s %s is of %v, the tensor is of %v", word, info.Name, info.Type, t.dtype)
	}
	if info.Dims == nil {
		return nil
	}
	fits := len(info.Dims) == len(t.dims)
	for i := 0; fits && i < len(t.dims); i++ {
		fits = info.Dims[i] < 0 || info.Dims[i] == t.dims[i]
	}
	if !fits {
		return fmt.Errorf("%s %s has the shape %v, the tensor has %v", word, info.Name, info.Dims, t.dims)
	}
	return nil
}

// runTerminable runs with options only when ctx can be cancelled.
func (s *Session) runTerminable(ctx context.Context, inputs, outputs []rt.Value) error {
	if ctx.Done() == nil {
		return s.session.RunWithOptions(inputs, outputs, nil)
	}
	options, err := rt.NewRunOptions()
	if err != nil {
		return notOpen(err)
	}
	defer options.Destroy()
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		options.Terminate()
	})
	err = s.session.RunWithOptions(inputs, outputs, options)
	if !stop() {
		<-ended // the options must outlive the call to Terminate
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// collect gives the allocated outputs that were asked for to the caller, and frees the others.
func (s *Session) collect(given, outputs []rt.Value, out map[string]*Tensor) error {
	made := map[string]*Tensor{}
	var failed error
	for i, v := range outputs {
		if given[i] != nil {
			continue
		}
		name := s.outputs[i].Name
		if _, asked := out[name]; !asked || failed != nil {
			v.Destroy()
			continue
		}
		t, err := adopt(v)
		if err != nil {
			v.Destroy()
			failed = fmt.Errorf("read output %s: %w", name, err)
			continue
		}
		made[name] = t
	}
	if failed != nil {
		for _, t := range made {
			t.Close()
		}
		return failed
	}
	maps.Copy(out, made)
	return nil
}

// runWithoutInputs runs a model of constants, which the bindings can do only with every output given.
func (s *Session) runWithoutInputs(out map[string]*Tensor) error {
	io, err := s.session.CreateIoBinding()
	if err != nil {
		return fmt.Errorf("run session: %w", err)
	}
	defer io.Destroy()
	for _, info := range s.outputs {
		t := out[info.Name]
		if t == nil {
			return fmt.Errorf("run session: a model without inputs needs a tensor for each output, %s has none", info.Name)
		}
		if err := io.BindOutput(info.Name, t.hold.value); err != nil {
			return fmt.Errorf("bind output %s: %w", info.Name, err)
		}
	}
	if err := s.session.RunWithBinding(io); err != nil {
		return fmt.Errorf("run session: %w", err)
	}
	return nil
}

// Close waits for running calls, closes the session's bindings and frees the model.
func (s *Session) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bindMu.Lock()
	bindings := slices.Collect(maps.Keys(s.bindings))
	s.bindMu.Unlock()
	for _, b := range bindings {
		b.Close()
	}
	if s.session != nil {
		s.session.Destroy()
		s.session = nil
		if s.weights != nil {
			s.weights.left()
		}
	}
}

package ort

import (
	"fmt"
	"sync"

	rt "github.com/yalue/onnxruntime_go"
)

// A Binding is a set of tensors bound to a session's inputs and outputs, for running it again and again without
// copying or allocating. The same tensor, or two tensors over the same memory, may be bound as input and as output: the
// operators that support it then work in place.
type Binding struct {
	session *Session

	mu      sync.Mutex
	io      *rt.IoBinding
	bound   [2]map[string]*hold // inputs, outputs
	missing int                 // inputs that are not bound
}

// NewBinding makes a binding with nothing bound.
func (s *Session) NewBinding() (*Binding, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.session == nil {
		return nil, fmt.Errorf("make binding: session %w", errClosed)
	}
	io, err := s.session.CreateIoBinding()
	if err != nil {
		return nil, fmt.Errorf("make binding: %w", err)
	}
	b := &Binding{session: s, io: io, bound: [2]map[string]*hold{{}, {}}, missing: len(s.inputs)}
	s.bindMu.Lock()
	s.bindings[b] = struct{}{}
	s.bindMu.Unlock()
	return b, nil
}

// Input binds t to an input, in the place of what was bound there. Binding what is bound already costs nothing.
func (b *Binding) Input(name string, t *Tensor) error { return b.bind(inputSide, name, t) }

// Output binds t to an output, in the place of what was bound there. The shape must be the one that the run produces.
// Outputs that are not bound are not returned.
func (b *Binding) Output(name string, t *Tensor) error { return b.bind(outputSide, name, t) }

func (b *Binding) bind(side int, name string, t *Tensor) error {
	info := b.session.byName[side][name]
	if info == nil {
		return fmt.Errorf("bind: %w", b.session.unknown(side, name))
	}
	if t == nil {
		return fmt.Errorf("bind %s: no tensor given", name)
	}
	if err := info.accepts(side, t); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.io == nil {
		return fmt.Errorf("bind %s: binding %w", name, errClosed)
	}
	before := b.bound[side][name]
	if before == t.hold {
		return nil
	}
	if !t.hold.retain() {
		return fmt.Errorf("bind %s: tensor %w", name, errClosed)
	}
	bind := b.io.BindInput
	if side == outputSide {
		bind = b.io.BindOutput
	}
	if err := bind(name, t.hold.value); err != nil {
		t.hold.release()
		return fmt.Errorf("bind %s: %w", name, err)
	}
	b.bound[side][name] = t.hold
	if before != nil {
		before.release()
	} else if side == inputSide {
		b.missing--
	}
	return nil
}

// Run runs the session once on what is bound. It cannot be interrupted.
func (b *Binding) Run() error {
	b.session.mu.RLock()
	defer b.session.mu.RUnlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.io == nil || b.session.session == nil {
		return fmt.Errorf("run binding: %w", errClosed)
	}
	if b.missing > 0 {
		return fmt.Errorf("run binding: input %s is not bound", b.firstMissing())
	}
	if len(b.bound[outputSide]) == 0 {
		return fmt.Errorf("run binding: no output is bound")
	}
	if err := b.session.session.RunWithBinding(b.io); err != nil {
		return fmt.Errorf("run binding: %w", err)
	}
	return nil
}

// firstMissing is the name of the first input that is not bound.
func (b *Binding) firstMissing() string {
	for i := range b.session.inputs {
		if name := b.session.inputs[i].Name; b.bound[inputSide][name] == nil {
			return name
		}
	}
	return ""
}

// Close unbinds everything. It waits for a run in progress.
func (b *Binding) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.io == nil {
		return
	}
	b.session.bindMu.Lock()
	delete(b.session.bindings, b)
	b.session.bindMu.Unlock()
	b.io.Destroy()
	b.io = nil
	for _, side := range b.bound {
		for _, h := range side {
			h.release()
		}
	}
	b.bound = [2]map[string]*hold{}
}

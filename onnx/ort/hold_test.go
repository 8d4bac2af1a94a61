package ort

import "testing"

// What is behind a tensor lives until its last owner lets go, and no longer.
func TestOwners(t *testing.T) {
	ForTest(t)
	s, err := NewSession(identity, SessionConfig{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	b, err := s.NewBinding()
	if err != nil {
		t.Fatal(err)
	}
	var tensors [2]*Tensor
	for i := range tensors {
		if tensors[i], err = NewTensor([]int64{1}, []float32{1}); err != nil {
			t.Fatal(err)
		}
	}
	first, second := tensors[0].hold, tensors[1].hold
	step := func(name string, wantFirst, wantSecond int64, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if a, b := first.refs.Load(), second.refs.Load(); a != wantFirst || b != wantSecond {
			t.Fatalf("%s: %d and %d owners, want %d and %d", name, a, b, wantFirst, wantSecond)
		}
		for _, h := range []*hold{first, second} {
			if gone := len(h.value.GetShape()) == 0; gone != (h.refs.Load() == 0) {
				t.Fatalf("%s: destroyed %v with %d owners", name, gone, h.refs.Load())
			}
		}
	}
	step("new", 1, 1, nil)
	step("bind", 2, 1, b.Input("x", tensors[0]))
	step("bind again", 2, 1, b.Input("x", tensors[0]))
	step("bind as output too", 3, 1, b.Output("y", tensors[0]))
	tensors[0].Close()
	tensors[0].Close()
	step("close while bound", 2, 1, b.Run())
	step("rebind the input", 1, 2, b.Input("x", tensors[1]))
	step("rebind the output", 0, 3, b.Output("y", tensors[1]))
	step("run", 0, 3, b.Run())
	step("run on the session", 0, 3, s.Run(map[string]*Tensor{"x": tensors[1]}, map[string]*Tensor{"y": tensors[1]}))
	if err := s.Run(map[string]*Tensor{"x": tensors[0]}, nil); err == nil {
		t.Fatal("a closed tensor was used")
	}
	step("refused run", 0, 3, nil)
	b.Close()
	b.Close()
	step("close binding", 0, 1, nil)
	tensors[1].Close()
	step("close tensor", 0, 0, nil)
}

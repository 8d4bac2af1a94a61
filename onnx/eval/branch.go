package eval

import (
	"fmt"
)

func init() { kernels["If"] = choose }

// choose runs the branch that the condition names, on the values that it captured.
func choose(s *step) error {
	name := "else_branch"
	if s.in[0].Data[0] != 0 {
		name = "then_branch"
	}
	branch := s.n.Graph(name)
	if branch == nil {
		return fmt.Errorf("%s is missing", name)
	}
	captured := map[string]*Tensor{}
	for i, v := range s.n.Inputs[1:] {
		captured[v.Name] = s.in[i+1]
	}
	values, err := Run(branch, captured)
	if err != nil {
		return err
	}
	for i, out := range branch.Outputs {
		s.out[i] = values[out.Name]
	}
	return nil
}

package template

import (
	"errors"
	"fmt"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// numbers is range, as a list.
func numbers(_ *exec.Evaluator, params *exec.VarArgs) (list, error) {
	bounds := []int{}
	for _, a := range params.Args {
		if !a.IsInteger() {
			return nil, errors.New("range takes whole numbers")
		}
		bounds = append(bounds, a.Integer())
	}
	start, step := 0, 1
	switch len(bounds) {
	case 1:
		bounds = []int{0, bounds[0]}
	case 3:
		step = bounds[2]
	case 2:
	default:
		return nil, errors.New("range takes one to three arguments")
	}
	start = bounds[0]
	if step == 0 {
		return nil, errors.New("range with a step of zero")
	}
	out := list{}
	for i := start; step > 0 && i < bounds[1] || step < 0 && i > bounds[1]; i += step {
		if len(out) == maxRange {
			return nil, fmt.Errorf("range of more than %d numbers", maxRange)
		}
		out = append(out, i)
	}
	return out, nil
}

// namespace is namespace, and dict.
func namespace(_ *exec.Evaluator, params *exec.VarArgs) map[string]any {
	out := map[string]any{}
	for key, value := range params.KwArgs {
		out[key] = value.Interface()
	}
	return out
}

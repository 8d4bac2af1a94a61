package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// Number is a named figure; the name ends with its unit unless it has none.
type Number struct {
	Name  string
	Value float64
}

// Result is one line of a benchmark's output. In JSON it is one flat object.
type Result struct {
	Bench     string
	Case      string // what of the benchmark; "" where there is but one thing
	Shape     string
	Weights   string
	Threads   int
	Settings  []Number // batch, context, concurrency, ...
	Block     int      // from 1; 0 for a line over all blocks
	Blocks    int      // of a line over all blocks
	Figures   []Number
	Judgement Judgement // "" when nothing was asked
	Summary   bool      // the last line of a run
}

// Figure finds a figure or a setting by its name.
func (r Result) Figure(name string) (value float64, ok bool) {
	for _, list := range [][]Number{r.Figures, r.Settings} {
		for _, n := range list {
			if n.Name == name {
				return n.Value, true
			}
		}
	}
	return 0, false
}

// MarshalJSON writes the result as one object, in a fixed order, without what is empty. A figure that is no number, such as
// a rate of nothing, is left out.
func (r Result) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	put := func(name string, value any) error {
		data, err := json.Marshal(value)
		if err != nil {
			return fmt.Errorf("encode %s: %w", name, err)
		}
		if out.Len() > 1 {
			out.WriteByte(',')
		}
		fmt.Fprintf(&out, "%q:%s", name, data)
		return nil
	}
	for _, f := range []struct{ name, value string }{{"bench", r.Bench}, {"case", r.Case}, {"shape", r.Shape}, {"weights", r.Weights}, {"verdict", string(r.Judgement)}} {
		if f.value != "" {
			if err := put(f.name, f.value); err != nil {
				return nil, err
			}
		}
	}
	numbers := []Number{{"threads", float64(r.Threads)}, {"block", float64(r.Block)}, {"blocks", float64(r.Blocks)}}
	for i, n := range append(append(numbers, r.Settings...), r.Figures...) {
		if i < len(numbers) && n.Value == 0 || math.IsNaN(n.Value) || math.IsInf(n.Value, 0) {
			continue
		}
		if err := put(n.Name, rounded(n.Value)); err != nil {
			return nil, err
		}
	}
	if r.Summary {
		if err := put("summary", true); err != nil {
			return nil, err
		}
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// UnmarshalJSON reads what MarshalJSON wrote. Settings and figures cannot be told apart any more: all are Figures.
func (r *Result) UnmarshalJSON(data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	if t, err := decoder.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("read result: it is not an object: %w", err)
	}
	*r = Result{}
	texts := map[string]func(string){"bench": func(s string) { r.Bench = s }, "case": func(s string) { r.Case = s }, "shape": func(s string) { r.Shape = s },
		"weights": func(s string) { r.Weights = s }, "verdict": func(s string) { r.Judgement = Judgement(s) }}
	counts := map[string]*int{"threads": &r.Threads, "block": &r.Block, "blocks": &r.Blocks}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return fmt.Errorf("read result: %w", err)
		}
		value, err := decoder.Token()
		if err != nil {
			return fmt.Errorf("read result: %w", err)
		}
		name, _ := key.(string)
		switch v := value.(type) {
		case string:
			if set := texts[name]; set != nil {
				set(v)
			}
		case float64:
			if count := counts[name]; count != nil {
				*count = int(v)
			} else {
				r.Figures = append(r.Figures, Number{name, v})
			}
		case bool:
			r.Summary = r.Summary || name == "summary" && v
		default:
			return fmt.Errorf("read result: %s is neither text nor number", name)
		}
	}
	return nil
}

// rounded keeps five significant digits, and every digit of a whole number.
func rounded(v float64) float64 {
	if v == math.Trunc(v) {
		return v
	}
	short, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 5, 64), 64)
	if err != nil {
		return v
	}
	return short
}

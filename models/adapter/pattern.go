package adapter

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"

	"nightshift/models/arch"
	"nightshift/models/internal/strictjson"
)

// pattern is rank_pattern or alpha_pattern: values for some linears in place of r or lora_alpha. As in PEFT (get_pattern_key), a key
// is a regular expression for the end of a module's name, from its beginning or from after a dot, and the first that fits counts.
type pattern []override

type override struct {
	key   *regexp.Regexp
	value float64
}

func parsePattern(raw json.RawMessage) (pattern, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	members, err := strictjson.Members(raw)
	if err != nil {
		return nil, err
	}
	var p pattern
	for _, m := range members {
		o := override{}
		if o.key, err = regexp.Compile(`\A(?:.*\.)?(?:` + m.Key + `)\z`); err != nil {
			return nil, fmt.Errorf("regular expression %q: %w; spell out the modules' names instead", m.Key, err)
		}
		if err := json.Unmarshal(m.Value, &o.value); err != nil || string(m.Value) == "null" {
			return nil, fmt.Errorf("%q is %s, want a number", m.Key, compact(m.Value))
		}
		p = append(p, o)
	}
	return p, nil
}

// of lists the values of the keys that fit a module, or otherwise.
func (p pattern) of(name string, otherwise float64) (values []float64) {
	for _, o := range p {
		if o.key.MatchString(name) {
			values = append(values, o.value)
		}
	}
	if len(values) == 0 {
		return []float64{otherwise}
	}
	return values
}

// takePatterns reads rank_pattern and alpha_pattern and removes them from object.
func (s *settings) takePatterns(object map[string]json.RawMessage) (err error) {
	if s.ranks, err = parsePattern(object["rank_pattern"]); err != nil {
		return fmt.Errorf("rank_pattern: %w", err)
	}
	if s.alphas, err = parsePattern(object["alpha_pattern"]); err != nil {
		return fmt.Errorf("alpha_pattern: %w", err)
	}
	for _, o := range s.ranks {
		if !(o.value >= 1 && o.value <= maxRank) || o.value != math.Trunc(o.value) {
			return fmt.Errorf("rank_pattern gives the rank %v, want 1 to %d", o.value, maxRank)
		}
	}
	for _, o := range s.alphas {
		if !(o.value > 0) || math.IsInf(o.value, 0) {
			return fmt.Errorf("alpha_pattern gives %v, want a positive number", o.value)
		}
	}
	delete(object, "rank_pattern")
	delete(object, "alpha_pattern")
	return nil
}

// rankOf chooses the rank of a linear. Of several keys that fit PEFT takes the first, but writes them sorted: the factors, which have
// so many ranks, tell which it was.
func (s settings) rankOf(by scheme, t arch.Target, has int64) int {
	ranks := s.ranks.of(by.path(t), float64(s.rank))
	if slices.Contains(ranks, float64(has)) {
		return int(has)
	}
	return int(ranks[0])
}

// own is the configuration of one linear alone, whose factors have a rank: its alpha, and by both its scale.
func (s settings) own(by scheme, t arch.Target, rank int) Config {
	return Config{Rank: rank, Alpha: s.alphas.of(by.path(t), s.alpha)[0], RSLoRA: s.rslora}
}

// level gives all linears the largest rank of any, and its scale: A and B are filled up with zeros, which add nothing, and B takes
// the ratio of the scales.
func (a *Adapter) level(s settings, by scheme, ranks map[arch.Target]int) {
	var largest Config
	for _, t := range a.Targets() {
		if own := s.own(by, t, ranks[t]); own.Rank > largest.Rank {
			largest = own
		}
	}
	a.Config.Rank, a.Config.Alpha, a.Config.RSLoRA = largest.Rank, largest.Alpha, largest.RSLoRA
	for _, t := range a.Targets() {
		own, f := s.own(by, t, ranks[t]), a.Factors[t]
		if own.Rank == largest.Rank && own.Alpha == largest.Alpha {
			continue
		}
		ratio := float32(own.Scale() / largest.Scale())
		in, out := len(f.A)/own.Rank, len(f.B)/own.Rank
		wide := Factors{make([]float32, in*largest.Rank), make([]float32, largest.Rank*out)}
		for i := range in {
			copy(wide.A[i*largest.Rank:], f.A[i*own.Rank:(i+1)*own.Rank])
		}
		for i, v := range f.B {
			wide.B[i] = v * ratio
		}
		a.Factors[t], a.leveled = wide, true
	}
}

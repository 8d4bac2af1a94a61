package tokenizer

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// rule says how a splitter cuts.
type rule struct {
	name   string // for digests: "" for GPT-2's, whose digests are older than the others
	lines  bool   // Llama 3's expression, where line breaks end pieces; else GPT-2's
	digits int    // the most numbers in a piece, 0 for no limit
	longS  bool   // ſ is an s in contractions, as it is to expressions that ignore case
}

// The expressions that splitters are written after, in Oniguruma's syntax as tokenizer.json has them. They are compared, never
// run: they need a look-ahead, and backtracking over other people's text has no bound on its time.
const (
	patternGPT2   = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	patternLlama3 = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	patternQwen2  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

var (
	ruleGPT2   = rule{}
	ruleSmolLM = rule{name: "digits", digits: 1}
	ruleLlama3 = rule{name: "llama3", lines: true, digits: 3, longS: true}
	ruleQwen2  = rule{name: "qwen2", lines: true, digits: 1, longS: true}
)

// rules are the known expressions. Some files spell the contractions out instead of ignoring case, and some write "once or not
// at all, and never given back" where giving back cannot help.
var rules = map[string]rule{
	patternGPT2:   ruleGPT2,
	patternLlama3: ruleLlama3,
	patternQwen2:  ruleQwen2,
	`(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])` + strings.TrimPrefix(patternLlama3, contractions):   {name: "llama3 ascii", lines: true, digits: 3},
	`(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])` + strings.TrimPrefix(patternQwen2, contractions):    {name: "qwen2 ascii", lines: true, digits: 1},
	`'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`: ruleLlama3,
}

const contractions = `(?i:'s|'t|'re|'ve|'m|'ll|'d)`

// ruleOf reads a pre-tokenizer: ByteLevel with its own expression, also with each digit split off before it, or a known expression in
// a Split before it.
func ruleOf(steps []*step) (rule, error) {
	var found []rule
	digits := false
	for i, p := range steps {
		switch p.Type {
		case "ByteLevel":
			if p.Prefix != nil && *p.Prefix {
				return rule{}, errors.New("pre_tokenizer ByteLevel: add_prefix_space is not implemented; set it to false if the model was trained so")
			}
			if i != len(steps)-1 {
				return rule{}, fmt.Errorf("pre_tokenizer %s after ByteLevel is not implemented", steps[i+1].Type)
			}
			if p.Regex == nil || *p.Regex {
				found = append(found, ruleGPT2)
			}
		case "Split":
			known, ok := rules[p.Pattern.Regex]
			if !ok || p.Invert || p.Behavior != "Isolated" {
				return rule{}, fmt.Errorf("pre_tokenizer Split with pattern %q: only the expressions of %s, isolated, are implemented", p.Pattern.Regex+p.Pattern.String, knownRules())
			}
			found = append(found, known)
		case "Digits":
			if !p.Digits || len(found) > 0 {
				return rule{}, errors.New("pre_tokenizer Digits is implemented with individual_digits, before ByteLevel's own expression")
			}
			digits = true
		default:
			return rule{}, fmt.Errorf("pre_tokenizer %s is not implemented for a byte-level vocabulary", p.Type)
		}
	}
	switch {
	case len(found) == 0:
		return rule{}, errors.New("pre_tokenizer ByteLevel: use_regex is false and nothing else splits; text that is not split is not implemented")
	case len(found) > 1 && found[0] != found[1] || len(found) > 2 || digits && found[0] != ruleGPT2:
		return rule{}, errors.New("pre_tokenizer: two different expressions after each other are not implemented")
	case digits:
		return ruleSmolLM, nil
	}
	return found[0], nil
}

// knownRules lists the names of the rules for an error.
func knownRules() string {
	names := map[string]bool{"GPT-2": true}
	for _, r := range rules {
		if r.name != "" {
			names[r.name] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(names)), ", ")
}

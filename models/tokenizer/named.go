package tokenizer

import (
	"encoding/json"
	"fmt"
	"strings"
)

// classes are the special tokens that classes of transformers have by default. A directory that names no class has
// GPT2Tokenizer's, as its model is GPT-2; classes that are not listed have none.
var classes = map[string]map[string]string{
	"GPT2Tokenizer":    {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"},
	"GPTNeoXTokenizer": {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "pad_token": "<|padding|>"},
	"Qwen2Tokenizer":   {"eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>"},
	"LlamaTokenizer":   {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
	"BertTokenizer":    {"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]"},
	"RobertaTokenizer": {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "sep_token": "</s>", "pad_token": "<pad>", "cls_token": "<s>", "mask_token": "<mask>"},
}

// NamedTokens returns the special tokens of a model directory by name (eos_token, bos_token, …) as transformers 5 has
// them: what the tokenizer's class has by default, then tokenizer_config.json, where a token is a string or an object and
// null is none, then special_tokens_map.json, unless tokenizer_config.json has added_tokens_decoder.
func NamedTokens(dir string) (map[string]string, error) {
	n, err := readNames(dir)
	return n.tokens, err
}

// named is NamedTokens of files that are read.
func (n names) named() (map[string]string, error) {
	class := "GPT2Tokenizer"
	if n.set.Class != nil {
		class = *n.set.Class
	}
	out := map[string]string{}
	for name, token := range classes[strings.TrimSuffix(class, "Fast")] {
		out[name] = token
	}
	files := []map[string]json.RawMessage{n.config, n.mapped}
	if n.config["added_tokens_decoder"] != nil {
		files = files[:1]
	}
	for _, file := range files {
		var more map[string]json.RawMessage
		if json.Unmarshal(file["extra_special_tokens"], &more) == nil {
			if err := nameTokens(out, more); err != nil {
				return nil, err
			}
		}
		if err := nameTokens(out, file); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// nameTokens adds the tokens of a file.
func nameTokens(out map[string]string, file map[string]json.RawMessage) error {
	for name, raw := range file {
		var token any
		if !strings.HasSuffix(name, "_token") || json.Unmarshal(raw, &token) != nil {
			continue
		}
		switch token := token.(type) {
		case nil:
			delete(out, name)
		case string:
			out[name] = token
		case bool: // a setting, such as add_bos_token
		case map[string]any:
			content, ok := token["content"].(string)
			if !ok {
				return fmt.Errorf("%s is an object without content", name)
			}
			out[name] = content
		default:
			return fmt.Errorf("%s is neither a string, an object with content, nor null", name)
		}
	}
	return nil
}

package work

import (
	"fmt"

	"nightshift/update/selection"
)

// embeddings embed what each item asks last, by the model's own token embeddings.
func (w *worker) embeddings(items []selection.Item) ([][]float32, error) {
	table, err := w.model.Checkpoint.Floats(w.model.Config.Embedding())
	if err != nil {
		return nil, fmt.Errorf("embed prompts: %w", err)
	}
	texts := make([][]int32, len(items))
	for i, it := range items {
		texts[i] = w.model.Tokenizer.Encode(nil, selection.LastQuestion(it.Prompt))
	}
	return selection.Embed(table, w.model.Config.Width, texts), nil
}

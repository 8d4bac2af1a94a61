package night

import (
	"fmt"

	"nightshift/models/template"
	"nightshift/replaystore"
	"nightshift/update/selection"
)

// conversations says why the selection does not suit a model that has no chat template, "" where it does: only raw prompts
// can be made tokens then.
func conversations(modelDir string, items []selection.Item) string {
	count, first := 0, ""
	for _, it := range items {
		if len(it.Prompt) == 1 && it.Prompt[0].Role == replaystore.RolePrompt {
			continue
		}
		if count++; count == 1 {
			first = fmt.Sprintf("%s (%s, %s)", it.ID, it.Use, it.Why)
		}
	}
	if count == 0 || template.Present(modelDir) {
		return ""
	}
	return fmt.Sprintf("the model has no chat template and %d of the %d examples are conversations, the first %s; add chat_template.jinja to the model's directory, or give %s and %s the one role %q in each line",
		count, len(items), first, anchorFile, starterFile, replaystore.RolePrompt)
}

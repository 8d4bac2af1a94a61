package wire

// TeachRequest teaches a track what files say, or asks what that would mean.
type TeachRequest struct {
	Track  string      `json:"track"`
	Batch  string      `json:"batch"` // the person in whose name it is kept is "teach:" and this
	DryRun bool        `json:"dry_run,omitempty"`
	Again  bool        `json:"again,omitempty"` // takes what was said or learned already, too
	Items  []TeachItem `json:"items"`
}

// TeachItem is a conversation that ends with a question, and its answer.
type TeachItem struct {
	Messages []TeachMessage `json:"messages"`
	Answer   string         `json:"answer"`
	Source   string         `json:"source"` // such as "file:faq.md#12"
}

// TeachMessage is a turn of such a conversation.
type TeachMessage struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// States of what is to be taught.
const (
	TeachNew      = "new"      // nobody has said anything of the question
	TeachChanges  = "changes"  // another answer was said or learned, and is superseded
	TeachSaid     = "said"     // the same answer was said, and waits or was not learned
	TeachLearned  = "learned"  // the same answer was learned
	TeachTooLong  = "too_long" // question and answer do not fit into the model's context
	TeachRedacted = "redacted" // it holds personal data, which is taken out, so that nothing of it is learned
)

// TeachState says what becomes of an item.
type TeachState struct {
	State       string   `json:"state"`
	Taught      bool     `json:"taught"`                // it was kept for the next night
	Tokens      int      `json:"tokens"`                // of question and answer
	Before      string   `json:"before,omitempty"`      // the answer that it supersedes
	By          string   `json:"by,omitempty"`          // who said that: an editor, a user, or the source that it was taught from
	Rules       []string `json:"rules,omitempty"`       // of redaction that it meets
	Interaction string   `json:"interaction,omitempty"` // in which the model was asked
	Answered    string   `json:"answered,omitempty"`    // what the model said
}

// Taught answers a TeachRequest, in the order of its items.
type Taught struct {
	Track   string       `json:"track"`
	Subject string       `json:"subject"` // the person's name, by which the batch is taken back
	Context int          `json:"context"` // tokens that question and answer may have together
	Taught  int          `json:"taught"`
	Items   []TeachState `json:"items"`
}

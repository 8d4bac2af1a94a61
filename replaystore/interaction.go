package replaystore

import "time"

// DefaultTrack always exists.
const DefaultTrack = "default"

// Message is one turn of a conversation. A raw completion has a single message with the role "prompt".
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// RolePrompt is the role of the one message of a raw completion.
const RolePrompt = "prompt"

// Sampling is how an answer was sampled. With the prompt's tokens, the version and the weight format it is everything that the
// answer depends on: asked for again, it is the same. What is 0 or empty is off.
type Sampling struct {
	Temperature float32           `json:"temperature"`
	TopP        float32           `json:"top_p"`
	TopK        int               `json:"top_k,omitempty"`
	MinP        float32           `json:"min_p,omitempty"`
	Repetition  float32           `json:"repetition_penalty,omitempty"` // 1 is off too
	Presence    float32           `json:"presence_penalty,omitempty"`
	Frequency   float32           `json:"frequency_penalty,omitempty"`
	LogitBias   map[int32]float32 `json:"logit_bias,omitempty"` // by token
	Seed        uint64            `json:"seed"`                 // of this answer, where a request has several
	MaxTokens   int               `json:"max_tokens,omitempty"`
	MinTokens   int               `json:"min_tokens,omitempty"`
	IgnoreEOS   bool              `json:"ignore_eos,omitempty"`
	ShowSpecial bool              `json:"show_special,omitempty"` // special tokens were part of the text that Stop looks at
	Stop        []string          `json:"stop,omitempty"`
}

// Span marks a piece of personal data that was replaced before the text was written.
type Span struct {
	Field string `json:"field"` // "messages.0", "answer", "sampling.stop.0", "correction", "comment"
	Start int    `json:"start"` // bytes in the text as stored
	End   int    `json:"end"`
	Rule  string `json:"rule"` // what was found: "email", "phone", ...
}

// Interaction is one request and its answer, as served.
type Interaction struct {
	ID            string        `json:"id"` // server-made (NewID): unique and ordered by time
	Track         string        `json:"track"`
	Time          time.Time     `json:"time"`
	Subject       string        `json:"subject,omitempty"` // keyed hash of the person, "" unknown
	Messages      []Message     `json:"messages"`
	Answer        string        `json:"answer"`
	PromptTokens  []int32       `json:"prompt_tokens,omitempty"`
	SpecialPrompt bool          `json:"special_prompt,omitempty"` // the prompt of a raw completion had special tokens, which its text leaves out
	AnswerTokens  []int32       `json:"answer_tokens,omitempty"`
	Finish        string        `json:"finish,omitempty"`
	Sampling      Sampling      `json:"sampling"`
	LogProbs      []float32     `json:"logprobs,omitempty"` // natural log, one an answer token; none when redacted
	Version       string        `json:"version,omitempty"`  // adapter digest, "" is the base model
	VersionNumber int           `json:"version_number,omitempty"`
	Weights       string        `json:"weights,omitempty"` // weight format: "f32", "int8", ...
	TemplateHash  string        `json:"template_hash,omitempty"`
	Redacted      []Span        `json:"redacted,omitempty"`
	Latency       time.Duration `json:"latency_ns,omitempty"`
	Previous      string        `json:"previous,omitempty"`   // interaction that the conversation goes on from, where the request named it
	Instructed    bool          `json:"instructed,omitempty"` // Messages[0] is for this answer only, and not for what goes on from it
}

// Replayable reports whether the recorded tokens are what the model really saw and said: a redacted record is not.
func (i *Interaction) Replayable() bool { return len(i.Redacted) == 0 && len(i.AnswerTokens) > 0 }

// Feedback is a rating, a correction or a comment, tied to one interaction.
type Feedback struct {
	ID          string    `json:"id"` // the client's idempotency key, or server-made
	Interaction string    `json:"interaction"`
	Track       string    `json:"track"`
	Time        time.Time `json:"time"`
	Subject     string    `json:"subject,omitempty"`
	Rating      *float64  `json:"rating,omitempty"`     // −1…1; thumbs are ±1
	Correction  *string   `json:"correction,omitempty"` // the edited answer
	Comment     string    `json:"comment,omitempty"`
	Editor      bool      `json:"editor,omitempty"` // by somebody who answers for what they say: a key with the role editor
	Source      string    `json:"source,omitempty"` // of what was taught out of a file: "file:NAME#LINE"; "" of what was said
	Redacted    []Span    `json:"redacted,omitempty"`
}

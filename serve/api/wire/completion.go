package wire

// What the ids of answers put before their first interaction's.
const (
	ChatPrefix = "chatcmpl-"
	TextPrefix = "cmpl-"
)

// Headers of answers. Those of interactions and of tokens hold one value a choice, with commas between.
const (
	HeaderIgnored     = "X-Nightshift-Ignored"
	HeaderAdapter     = "X-Nightshift-Adapter"
	HeaderInteraction = "X-Nightshift-Interaction"
	HeaderFeedback    = "X-Nightshift-Feedback-Token"
)

// ChatRequest asks for an answer to a conversation: what the program's own clients send to /v1/chat/completions.
type ChatRequest struct {
	Model       string        `json:"model"`
	Messages    []ChatMessage `json:"messages"`
	Temperature float64       `json:"temperature"`
	MaxTokens   int           `json:"max_tokens,omitempty"`
	Stream      bool          `json:"stream"`
	User        string        `json:"user,omitempty"`
}

// ChatMessage is one message of a conversation that is asked about.
type ChatMessage struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// Completion is an answer, or a chunk of one, in the shape of OpenAI's API.
type Completion struct {
	ID                string   `json:"id"`
	Object            string   `json:"object"`
	Created           int64    `json:"created"`
	Model             string   `json:"model"`
	Choices           []Choice `json:"choices"`
	Usage             *Usage   `json:"usage,omitempty"`
	SystemFingerprint string   `json:"system_fingerprint"`
	Nightshift        *Origin  `json:"nightshift,omitempty"`
	Timings           *Timings `json:"timings,omitempty"`
}

// Choice is one of the answers, or a part of it. Exactly one of Message, Delta and Text is set. Nightshift and Timings are set when
// there are several in one body; otherwise those of the completion are this choice's.
type Choice struct {
	Index        int      `json:"index"`
	Message      *Message `json:"message,omitempty"`
	Delta        *Delta   `json:"delta,omitempty"`
	Text         *string  `json:"text,omitempty"`
	Logprobs     any      `json:"logprobs"` // nil, *ChatLogprobs or *TextLogprobs
	FinishReason *string  `json:"finish_reason"`
	Nightshift   *Origin  `json:"nightshift,omitempty"`
	Timings      *Timings `json:"timings,omitempty"`
}

// Message is an answer of a chat in one piece.
type Message struct {
	Role    string  `json:"role"`
	Content string  `json:"content"`
	Refusal *string `json:"refusal"` // always null
}

// Delta is a part of an answer of a chat.
type Delta struct {
	Role    string  `json:"role,omitempty"`
	Content *string `json:"content,omitempty"`
}

// Usage counts the tokens of a request.
type Usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
	// Details say how many of the prompt's tokens came from the prefix cache.
	Details PromptDetails `json:"prompt_tokens_details"`
}

// PromptDetails says how many tokens of prompts came from the prefix cache.
type PromptDetails struct {
	CachedTokens int `json:"cached_tokens"`
}

// Origin says where an answer comes from, and lets its reader rate it.
type Origin struct {
	Interaction   string  `json:"interaction"`
	Track         string  `json:"track"`
	Version       *int    `json:"version"` // null is the base model
	Digest        string  `json:"digest"`
	FeedbackToken string  `json:"feedback_token,omitempty"` // none of an answer that is not recorded
	Logged        bool    `json:"logged"`
	Note          string  `json:"note,omitempty"`
	Routed        *Routed `json:"routed,omitempty"`
}

// Routed says how the track of an answer was chosen, where the request left it open.
type Routed struct {
	Confidence float64 `json:"confidence"`
	Fallback   bool    `json:"fallback"`
}

// Timings are where the time of a choice went, as the engine measured it: readers that see a body at once have no other way to
// know.
type Timings struct {
	QueueMS         float64 `json:"queue_ms"`
	PrefillMS       float64 `json:"prefill_ms"`
	DecodeMS        float64 `json:"decode_ms"`
	FirstTokenMS    float64 `json:"first_token_ms"` // from the request to the first token
	Tokens          int     `json:"tokens"`
	TokensPerSecond float64 `json:"tokens_per_second"`
	InterTokenP50MS float64 `json:"inter_token_p50_ms"` // inter-token latency: from one token to the next
	InterTokenP99MS float64 `json:"inter_token_p99_ms"`
	InterTokenMaxMS float64 `json:"inter_token_max_ms"`
}

// ChatLogprobs are log-probabilities in the shape of OpenAI's chats.
type ChatLogprobs struct {
	Content []ChatToken `json:"content"`
	Refusal *string     `json:"refusal"` // always null
}

// ChatToken is a token of an answer with the likeliest tokens at its place.
type ChatToken struct {
	LikelyToken
	TopLogprobs []LikelyToken `json:"top_logprobs"`
}

// LikelyToken is a token with its log-probability in nats and the bytes that it has in the text.
type LikelyToken struct {
	Token   string  `json:"token"`
	Logprob float32 `json:"logprob"`
	Bytes   []int   `json:"bytes"`
}

// TextLogprobs are log-probabilities in the shape of OpenAI's completions.
type TextLogprobs struct {
	Tokens        []string             `json:"tokens"`
	TokenLogprobs []*float32           `json:"token_logprobs"`
	TopLogprobs   []map[string]float32 `json:"top_logprobs"`
	TextOffset    []int                `json:"text_offset"`
}

package wire

// What the ids of a response and of its one message put before their interaction's.
const (
	ResponsePrefix = "resp_"
	MessagePrefix  = "msg_"
)

// Statuses of responses and of their messages.
const (
	StatusInProgress = "in_progress"
	StatusCompleted  = "completed"
	StatusIncomplete = "incomplete"
	StatusFailed     = "failed"
)

// Response is an answer in the shape of OpenAI's API of responses. What it repeats of the request is what clients read back.
type Response struct {
	ID                 string             `json:"id"`
	Object             string             `json:"object"`
	CreatedAt          int64              `json:"created_at"`
	CompletedAt        *int64             `json:"completed_at"`
	Status             string             `json:"status"`
	Background         bool               `json:"background"`
	Error              *ResponseError     `json:"error"`
	IncompleteDetails  *IncompleteDetails `json:"incomplete_details"`
	Instructions       *string            `json:"instructions"`
	MaxOutputTokens    *int               `json:"max_output_tokens"`
	Metadata           map[string]string  `json:"metadata"`
	Model              string             `json:"model"`
	Output             []OutputItem       `json:"output"`
	ParallelToolCalls  bool               `json:"parallel_tool_calls"`
	PreviousResponseID *string            `json:"previous_response_id"`
	Reasoning          Reasoning          `json:"reasoning"`
	ServiceTier        string             `json:"service_tier"`
	Store              bool               `json:"store"`
	Temperature        float32            `json:"temperature"`
	Text               TextSettings       `json:"text"`
	ToolChoice         string             `json:"tool_choice"`
	Tools              []any              `json:"tools"` // none
	TopLogprobs        int                `json:"top_logprobs"`
	TopP               float32            `json:"top_p"`
	Truncation         string             `json:"truncation"`
	Usage              *ResponseUsage     `json:"usage"` // null until the end, and of what was redacted
	User               *string            `json:"user"`
	Nightshift         *Origin            `json:"nightshift,omitempty"`
	Timings            *Timings           `json:"timings,omitempty"`
}

// ResponseError is why a response failed.
type ResponseError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// IncompleteDetails says why a response is incomplete.
type IncompleteDetails struct {
	Reason string `json:"reason"`
}

// Reasoning is what was asked of reasoning: nothing.
type Reasoning struct {
	Effort  *string `json:"effort"`
	Summary *string `json:"summary"`
}

// TextSettings are the settings of a response's text.
type TextSettings struct {
	Format    TextFormat `json:"format"`
	Verbosity string     `json:"verbosity"`
}

// TextFormat is the format of a response's text.
type TextFormat struct {
	Type string `json:"type"`
}

// OutputItem is the one message of a response.
type OutputItem struct {
	ID      string       `json:"id"`
	Type    string       `json:"type"`
	Status  string       `json:"status"`
	Role    string       `json:"role"`
	Content []OutputPart `json:"content"`
}

// OutputPart is a part of the message, which is text.
type OutputPart struct {
	Type        string      `json:"type"`
	Text        string      `json:"text"`
	Annotations []any       `json:"annotations"` // none
	Logprobs    []ChatToken `json:"logprobs"`
}

// ResponseUsage counts the tokens of a response.
type ResponseUsage struct {
	InputTokens        int           `json:"input_tokens"`
	InputTokensDetails InputDetails  `json:"input_tokens_details"`
	OutputTokens       int           `json:"output_tokens"`
	OutputDetails      OutputDetails `json:"output_tokens_details"`
	TotalTokens        int           `json:"total_tokens"`
}

// InputDetails says what became of the tokens of the input.
type InputDetails struct {
	PromptDetails
	CacheWriteTokens int `json:"cache_write_tokens"` // always 0: nobody pays for them
}

// OutputDetails says what the tokens of the output are.
type OutputDetails struct {
	ReasoningTokens int `json:"reasoning_tokens"` // always 0
}

// EventHead is what every event of a streamed response begins with.
type EventHead struct {
	Type           string `json:"type"`
	SequenceNumber int    `json:"sequence_number"`
}

// TextPlace is where in the response a part of its text stands: there is one message with one part.
type TextPlace struct {
	ItemID       string `json:"item_id"`
	OutputIndex  int    `json:"output_index"`
	ContentIndex int    `json:"content_index"`
}

// ResponseEvent is an event that holds the response: it was created, is in progress, or has ended.
type ResponseEvent struct {
	EventHead
	Response Response `json:"response"`
}

// ItemEvent is an event that holds the message.
type ItemEvent struct {
	EventHead
	OutputIndex int        `json:"output_index"`
	Item        OutputItem `json:"item"`
}

// PartEvent is an event that holds the message's one part.
type PartEvent struct {
	EventHead
	TextPlace
	Part OutputPart `json:"part"`
}

// TextDelta is an event with the next words.
type TextDelta struct {
	EventHead
	TextPlace
	Delta    string      `json:"delta"`
	Logprobs []ChatToken `json:"logprobs"`
}

// TextDone is the event with all of the text.
type TextDone struct {
	EventHead
	TextPlace
	Text     string      `json:"text"`
	Logprobs []ChatToken `json:"logprobs"`
}

// ErrorEvent is the event of an error, at which clients stop.
type ErrorEvent struct {
	EventHead
	Code    string  `json:"code"`
	Message string  `json:"message"`
	Param   *string `json:"param"`
	Error   Error   `json:"error"`
}

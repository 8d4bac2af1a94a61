package wire

// Error is the error object that OpenAI's clients read.
type Error struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

// Failure is an error inside a stream that has begun, and what every Problem holds.
type Failure struct {
	Error Error `json:"error"`
}

// Problem is the body of every answer that is not a success: problem+json (RFC 9457) with the error object inside.
type Problem struct {
	Error  Error  `json:"error"`
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

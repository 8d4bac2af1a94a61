package wire

// Feedback is one item of feedback, as the program's own clients send it to /v1/feedback. The API takes more forms of it.
type Feedback struct {
	Interaction string   `json:"interaction"`
	ID          string   `json:"id,omitempty"`
	Token       string   `json:"token,omitempty"` // of the answer; without it the sender's key has the role feedback
	User        string   `json:"user,omitempty"`
	Rating      *float64 `json:"rating,omitempty"` // from −1 to 1
	Correction  *string  `json:"correction,omitempty"`
	Comment     string   `json:"comment,omitempty"`
}

// FeedbackAccepted answers feedback that is durable.
type FeedbackAccepted struct {
	Accepted int      `json:"accepted"`
	IDs      []string `json:"ids"`
}

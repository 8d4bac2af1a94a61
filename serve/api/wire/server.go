package wire

// Model is a model as OpenAI's clients know it.
type Model struct {
	ID       string   `json:"id"`
	Object   string   `json:"object"`
	Created  int64    `json:"created"`
	OwnedBy  string   `json:"owned_by"`
	Champion string   `json:"champion"`         // "" where the track is left open
	Tracks   []string `json:"tracks,omitempty"` // that are chosen among, where it is
}

// Models is the list of models.
type Models struct {
	Object string  `json:"object"`
	Data   []Model `json:"data"`
}

// Tokenization is the answer of /tokenize, in the shape of vLLM's.
type Tokenization struct {
	Count       int      `json:"count"`
	MaxModelLen int      `json:"max_model_len"` // tokens of a prompt and its answer together
	Tokens      []int32  `json:"tokens"`
	TokenStrs   []string `json:"token_strs"` // null where they were not asked for
}

// Detokenization is the answer of /detokenize.
type Detokenization struct {
	Prompt string `json:"prompt"`
}

// Liveness is the answer of /livez, and of /health where the server is ready.
type Liveness struct {
	Status string `json:"status"`
}

// Readiness is the answer of /readyz of a server that is ready.
type Readiness struct {
	Status   string   `json:"status"` // ready, degraded
	Degraded []string `json:"degraded"`
}

// Version is the answer of /version.
type Version struct {
	Version string `json:"version"`
}

// Status is the answer of /v1/status.
type Status struct {
	Version       string      `json:"version"`
	Model         string      `json:"model"`
	UptimeSeconds float64     `json:"uptime_seconds"`
	Store         StoreStatus `json:"store"`
	Auth          string      `json:"auth"`    // keys, none
	Roles         []string    `json:"roles"`   // of the caller
	Updater       string      `json:"updater"` // in-process, remote, none
	Schedule      string      `json:"schedule"`
}

// StoreStatus is the state of the replay store.
type StoreStatus struct {
	Kind     string `json:"kind"`
	Degraded bool   `json:"degraded"`
	Detail   string `json:"detail"`
}

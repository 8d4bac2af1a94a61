package history

import (
	"time"

	"nightshift/replaystore"
)

// Names of the files of a night that its updater writes beside those of its work.
const (
	ConfigFile    = "config.json"    // frozen: what was decided on, and the settings
	CursorFile    = "cursor.json"    // Completion: written last, once the night's evidence is used up
	RetiredFile   = "retired.json"   // frozen: what this version's examples from files no longer hold
	ReproduceFile = "reproduce.json" // what a replay needs to be the same
	VerdictFile   = "verdict.json"
)

// Completion says that a night has used up its track's events up to a cursor. It is written once.
type Completion struct {
	Track     string             `json:"track"`
	Cursor    replaystore.Cursor `json:"cursor"`
	Completed time.Time          `json:"completed"`
	Digest    string             `json:"digest"`             // of the candidate
	Published bool               `json:"published"`          // it was activated
	Reviewed  []string           `json:"reviewed,omitempty"` // earlier nights whose evidence it took up again
	Editors   string             `json:"editors,omitempty"`  // whether editors were behind it: alone, with others, or ""
	Beyond    []string           `json:"beyond,omitempty"`   // keys of editors' feedback after the cursor that it used
	HeldOutBy string             `json:"held_out_by,omitempty"`
}

// Values of Completion.Editors.
const (
	EditorsAlone = "alone"
	EditorsAlso  = "also"
)

// Retired lists examples of the model's own files (starter memory, anchors) that corrections up to a version contradict.
type Retired struct {
	IDs []string `json:"ids"`
}

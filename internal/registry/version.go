package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Names of the files of a version.
const (
	ConfigFile   = "adapter_config.json"
	WeightsFile  = "adapter_model.safetensors"
	ManifestFile = "manifest.json"
)

// Manifest says where a version comes from and how to recognise that it is whole: answer → version → night → examples, and
// back.
type Manifest struct {
	Digest        string             `json:"digest"`         // of the version; set by Put
	Parent        string             `json:"parent"`         // digest of the version that training started from, "" the base model
	BaseDigest    string             `json:"base_digest"`    // of the base model's weights
	TemplateHash  string             `json:"template_hash"`  // of the chat template that made the prompts
	TokenizerHash string             `json:"tokenizer_hash"` // of the tokenizer
	Night         string             `json:"night"`          // id of the night, "" when imported
	DataDigest    string             `json:"data_digest"`    // of the night's frozen selection
	Examples      int                `json:"examples"`       // number of examples trained on
	Created       time.Time          `json:"created"`        // set by Put where zero
	Config        File               `json:"config"`         // set by Put
	Weights       File               `json:"weights"`        // set by Put
	SelfTest      []SelfTest         `json:"self_test,omitempty"`
	ServedAs      string             `json:"served_as,omitempty"` // format of the weights that it was judged and self-tested with: f32, also where empty, int8 or int4
	Figures       map[string]float64 `json:"figures,omitempty"`   // of training and evaluation, for people

	Merged    []Share  `json:"merged,omitempty"`     // what it is the sum of, where it was merged from versions
	WarmStart string   `json:"warm_start,omitempty"` // digest of the warm start that training began with in the parent's place, "" for none
	Tracks    []string `json:"tracks,omitempty"`     // of a warm start: whose examples it was made of
}

// Share is a version in a merge.
type Share struct {
	Digest string  `json:"digest"`
	Weight float64 `json:"weight"` // of what it adds to the model's weights; a negative one takes it away
}

// Origins are the versions whose learning this one has: the one that training started from, and those that it was merged from and
// that were not taken away. A warm start is none of them: what it has seen of other tracks is a place to begin at, and not what
// the version knows.
func (m Manifest) Origins() []string {
	var list []string
	if m.Parent != "" {
		list = append(list, m.Parent)
	}
	for _, s := range m.Merged {
		if s.Weight > 0 {
			list = append(list, s.Digest)
		}
	}
	return list
}

// Made says in a word how the version came about: the id of its night, merged or imported.
func (m Manifest) Made() string {
	switch {
	case m.Night != "":
		return m.Night
	case len(m.Merged) > 0:
		return "merged"
	}
	return "imported"
}

// File is the size in bytes and the sha256 (hex) of one file.
type File struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// SelfTest is a fixed prompt whose scores a replica recomputes before it serves the version.
type SelfTest struct {
	Prompt []int32   `json:"prompt"` // tokens
	Target []int32   `json:"target"` // tokens that follow
	Scores []float32 `json:"scores"` // natural log-probability of each target token
}

// Version is what Put stores. Config and Weights are the canonical bytes of the two adapter files.
type Version struct {
	Config, Weights []byte
	Manifest        Manifest
}

// Ref names a version within a track. The zero Number and the empty Digest are the base model.
type Ref struct {
	Track  string `json:"track"`
	Number int    `json:"number"`
	Digest string `json:"digest"`
}

// Base reports whether the reference is to the base model without an adapter.
func (f Ref) Base() bool { return f.Digest == "" }

// String returns the form for people: "support@17", "support@base".
func (f Ref) String() string {
	if f.Base() {
		return f.Track + "@base"
	}
	return fmt.Sprintf("%s@%d", f.Track, f.Number)
}

// Digest returns the digest of a version: "sha256:" and the hex sha256 of config followed by weights.
func Digest(config, weights []byte) string {
	h := sha256.New()
	h.Write(config)
	h.Write(weights)
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

func (r *Registry) versionDir(digest string) (string, error) {
	m := digestHex.FindStringSubmatch(digest)
	if m == nil {
		return "", fmt.Errorf("digest %q: want sha256: and 64 hex digits: %w", digest, ErrName)
	}
	return filepath.Join(r.dir, "versions", "sha256", m[1]), nil
}

// Put stores a version and gives it the next number of the track, which it makes where there was never one of that name; one that was
// deleted is ErrNotFound. It is idempotent: bytes that the track has already give the number that they have, and the manifest that was
// stored first stays.
func (r *Registry) Put(ctx context.Context, track string, v Version) (Ref, error) {
	if err := CheckTrack(track); err != nil {
		return Ref{}, err
	}
	if now, err := r.Champion(track); err == nil && now.Deleted && !r.Declared(track) {
		return Ref{}, refused(ErrNotFound, "track %s was deleted; create it again first", track)
	}
	m := v.Manifest
	m.Digest = Digest(v.Config, v.Weights)
	m.Config = File{Size: int64(len(v.Config)), SHA256: sum(v.Config)}
	m.Weights = File{Size: int64(len(v.Weights)), SHA256: sum(v.Weights)}
	if m.Created.IsZero() {
		m.Created = r.now().UTC()
	}
	if err := r.verify(v.Config, v.Weights, m); err != nil {
		return Ref{}, fmt.Errorf("put version %s: %w", m.Digest, err)
	}
	if err := ctx.Err(); err != nil {
		return Ref{}, fmt.Errorf("put version %s: %w", m.Digest, err)
	}
	if err := r.store(v, m); err != nil {
		return Ref{}, fmt.Errorf("put version %s: %w", m.Digest, err)
	}
	ref, err := r.number(ctx, track, m)
	if err != nil {
		return Ref{}, fmt.Errorf("put version %s: number it in track %s: %w", m.Digest, track, err)
	}
	return ref, nil
}

// store makes the version's directory appear at once, or checks the one that is there.
func (r *Registry) store(v Version, m Manifest) error {
	dir, err := r.versionDir(m.Digest)
	if err != nil {
		return err
	}
	parent, err := r.makeDirs("versions", "sha256")
	if err != nil {
		return err
	}
	if _, err := os.Lstat(dir); err == nil {
		return r.stored(m.Digest, parent)
	}
	manifest, err := encodeRecord(m)
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	err = r.files.Dir(dir, dirMode, func(temp string) error {
		for name, data := range map[string][]byte{ConfigFile: v.Config, WeightsFile: v.Weights, ManifestFile: manifest} {
			if err := r.files.Add(filepath.Join(temp, name), data, fileMode); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, fs.ErrExist) { // another one was faster
		return r.stored(m.Digest, parent)
	}
	return err
}

// stored checks a version that is there already, and syncs its name: whoever stored it may have died before that.
func (r *Registry) stored(digest, parent string) error {
	if _, _, _, err := r.read(digest); err != nil {
		return fmt.Errorf("the stored copy is damaged; move its directory away and put the version again: %w", err)
	}
	return r.files.Sync(parent)
}

// numbering is the record tracks/<track>/versions/<number>.json.
type numbering struct {
	Track   string    `json:"track"`
	Number  int       `json:"number"`
	Digest  string    `json:"digest"`
	Night   string    `json:"night,omitempty"`
	Created time.Time `json:"created"`
}

// number gives the digest the next free number of the track. Whoever takes number n has read all below n, so a digest cannot
// get two.
func (r *Registry) number(ctx context.Context, track string, m Manifest) (Ref, error) {
	dir, err := r.makeDirs("tracks", track, "versions")
	if err != nil {
		return Ref{}, err
	}
	for n := 1; ; n++ {
		if err := ctx.Err(); err != nil {
			return Ref{}, err
		}
		ref, err := r.numbered(track, n)
		if errors.Is(err, ErrNotFound) {
			var data []byte
			data, err = encodeRecord(numbering{Track: track, Number: n, Digest: m.Digest, Night: m.Night, Created: r.now().UTC()})
			if err != nil {
				return Ref{}, err
			}
			err = r.files.WriteExclusive(recordPath(dir, n), data, fileMode)
			if err == nil {
				return Ref{Track: track, Number: n, Digest: m.Digest}, nil
			}
			if errors.Is(err, fs.ErrExist) {
				ref, err = r.numbered(track, n)
			}
		}
		if errors.Is(err, ErrCorrupt) {
			continue // that number is lost, but not the track
		}
		if err != nil {
			return Ref{}, err
		}
		if ref.Digest == m.Digest {
			return ref, r.files.Sync(dir)
		}
	}
}

func (r *Registry) numbered(track string, number int) (Ref, error) {
	path := recordPath(r.trackDir(track, "versions"), number)
	var n numbering
	if err := readRecord(path, &n); err != nil {
		return Ref{}, err
	}
	if n.Track != track || n.Number != number || !digestHex.MatchString(n.Digest) {
		return Ref{}, fmt.Errorf("read %s: it is about %s@%d, digest %q: %w", path, n.Track, n.Number, n.Digest, ErrCorrupt)
	}
	return Ref{Track: track, Number: number, Digest: n.Digest}, nil
}

// Versions returns the numbered versions of a track, oldest first, candidates included. Damaged records are left out and
// joined into the error; the others are returned all the same.
func (r *Registry) Versions(track string) ([]Ref, error) {
	if err := CheckTrack(track); err != nil {
		return nil, err
	}
	last, err := r.last(r.trackDir(track, "versions"))
	if err != nil {
		return nil, fmt.Errorf("list versions of %s: %w", track, err)
	}
	var refs []Ref
	var damaged error
	for n := 1; n <= last; n++ {
		ref, err := r.numbered(track, n)
		if err != nil {
			damaged = errors.Join(damaged, fmt.Errorf("list versions of %s: %w", track, err))
			continue
		}
		refs = append(refs, ref)
	}
	return refs, damaged
}

// Version returns the manifest of a version without reading its weights.
func (r *Registry) Version(digest string) (Manifest, error) {
	dir, err := r.versionDir(digest)
	if err != nil {
		return Manifest{}, fmt.Errorf("read version: %w", err)
	}
	var m Manifest
	if err := readRecord(filepath.Join(dir, ManifestFile), &m); err != nil {
		return Manifest{}, fmt.Errorf("read version %s: %w", digest, err)
	}
	if m.Digest != digest {
		return Manifest{}, fmt.Errorf("read version %s: its manifest is of %s: %w", digest, m.Digest, ErrCorrupt)
	}
	return m, nil
}

// Load returns a version after it has been checked: sizes and sha256 of both files, the digest over both, and the func given
// to Open.
func (r *Registry) Load(digest string) (config, weights []byte, m Manifest, err error) {
	if config, weights, m, err = r.read(digest); err != nil {
		return nil, nil, Manifest{}, fmt.Errorf("load version: %w", err)
	}
	if err = r.verify(config, weights, m); err != nil {
		return nil, nil, Manifest{}, fmt.Errorf("load version %s: %w", digest, err)
	}
	return config, weights, m, nil
}

// read is Load without the caller's check.
func (r *Registry) read(digest string) (config, weights []byte, m Manifest, err error) {
	if m, err = r.Version(digest); err != nil {
		return nil, nil, Manifest{}, err
	}
	dir, _ := r.versionDir(digest) // Version has checked it
	whole := func(name string, want File) ([]byte, error) {
		path := filepath.Join(dir, name)
		data, err := readFile(path, want.Size)
		if errors.Is(err, ErrNotFound) {
			return nil, fmt.Errorf("version %s without %s: %w", digest, name, ErrCorrupt)
		}
		if err != nil {
			return nil, err
		}
		if int64(len(data)) != want.Size || sum(data) != want.SHA256 {
			return nil, fmt.Errorf("read %s: %d bytes, sha256 %s, the manifest says %d bytes, %s: %w",
				path, len(data), sum(data), want.Size, want.SHA256, ErrCorrupt)
		}
		return data, nil
	}
	if config, err = whole(ConfigFile, m.Config); err != nil {
		return nil, nil, Manifest{}, err
	}
	if weights, err = whole(WeightsFile, m.Weights); err != nil {
		return nil, nil, Manifest{}, err
	}
	if got := Digest(config, weights); got != digest {
		return nil, nil, Manifest{}, fmt.Errorf("read version %s: its files have digest %s: %w", digest, got, ErrCorrupt)
	}
	return config, weights, m, nil
}

package night

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"nightshift/internal/nightrecord"
	"nightshift/models/checkpoint"
)

// modelIn opens the model in a directory.
func modelIn(t *testing.T, dir string) *checkpoint.Checkpoint {
	t.Helper()
	c, err := checkpoint.Open(dir, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// replayElsewhere replays a night where its model lies in another directory, and where another model does.
func (s *shop) replayElsewhere(n nightrecord.Night) {
	s.Helper()
	was, away := s.config.ModelDir, s.TempDir()
	defer func() {
		if err := os.Rename(away+"/model", was); err != nil {
			s.Fatal(err)
		}
	}()
	moved := *s
	moved.config.ModelDir = s.TempDir()
	if err := os.CopyFS(moved.config.ModelDir, os.DirFS(was)); err != nil {
		s.Fatal(err)
	}
	if err := os.Rename(was, away+"/model"); err != nil {
		s.Fatal(err)
	}
	if r, err := moved.nights().Replay(s.Context(), n.ID, nil); err != nil || !r.Same {
		s.Errorf("replay with the model elsewhere: %+v, %v", r, err)
	}
	shape := modelIn(s.T, moved.config.ModelDir).Shape()
	if err := checkpoint.Write(moved.config.ModelDir, shape, checkpoint.Random(shape, 8)); err != nil {
		s.Fatal(err)
	}
	want := fmt.Sprintf("the model in %s is %s, this night was made with %s", moved.config.ModelDir, modelIn(s.T, moved.config.ModelDir).Digest(), s.config.ModelDigest)
	if _, err := moved.nights().Replay(s.Context(), n.ID, nil); err == nil || !strings.Contains(err.Error(), want) {
		s.Errorf("replay with another model: %v, want %q", err, want)
	}
}

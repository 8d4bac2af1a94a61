package walkthrough

import "testing"

// TestMemoryPeaks keeps the server's peak before a night, and the moment at which both together are largest.
func TestMemoryPeaks(t *testing.T) {
	of := func(anonymous, file int64) Resident { return Resident{Anonymous: anonymous, File: file} }
	var m Memory
	for _, s := range []struct {
		server, night Resident
		ok            bool
	}{
		{of(10, 5), of(0, 0), false}, {of(12, 5), of(0, 0), false}, {of(11, 5), of(0, 0), false},
		{of(11, 5), of(1, 1), true}, {of(11, 6), of(30, 4), true}, {of(20, 6), of(20, 4), true},
		{of(40, 9), of(0, 0), false}, // after the night: the new version
	} {
		m.look(s.server, s.night, s.ok)
	}
	if want := (Memory{Alone: of(12, 5), Server: of(11, 6), Night: of(30, 4)}); m != want {
		t.Errorf("%+v, want %+v", m, want)
	}
}

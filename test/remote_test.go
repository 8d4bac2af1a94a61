package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// TestRemoteNight asks a server for a night that ends in several ways, as a command beside it does.
func TestRemoteNight(t *testing.T) {
	var frames atomic.Value // the events of the case at hand
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusAccepted)
			fmt.Fprint(w, `{"id":"20260101-000000-aa","track":"default","state":"queued"}`)
			return
		}
		fmt.Fprint(w, frames.Load())
	}))
	t.Cleanup(server.Close)
	data := t.TempDir()
	at, err := json.Marshal(map[string]any{"url": server.URL, "pid": os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, data, "address.json", string(at))
	const begun = ": keep-alive\n\nevent: state\ndata: {\"state\":\"training\"}\n\nevent: progress\ndata: {\"phase\":\"train\",\"step\":1,\"steps\":2}\n\n"
	for _, c := range []struct {
		name, frames string
		code         int
		out, err     string
	}{
		{"done", begun + "event: done\ndata: {\"state\":\"rejected\",\"reason\":\"no gain\"}\n\n", 0, "no gain", ""},
		{"the server stops", begun + "data: {\"error\":{\"message\":\"the engine is closed\",\"code\":\"shutting_down\"}}\n\n", 1, "", "the engine is closed"},
		{"cut off", begun, 1, "", "the events ended before the night did"},
		{"nonsense", begun + "data: 7\n\n", 1, "", `"7"`},
	} {
		frames.Store(c.frames)
		got := execute(t, "update", "--now", "--data", data)
		if got.code != c.code || !strings.Contains(got.out, c.out) || !strings.Contains(got.err, c.err) {
			t.Errorf("%s: status %d\n%s%s", c.name, got.code, got.out, got.err)
		}
	}
}

// TestAnyPort serves on a port that the system chooses, and says which.
func TestAnyPort(t *testing.T) {
	needRuntime(t)
	data := t.TempDir()
	p := launch(t, "serve", "--listen", "127.0.0.1:0", "--data", data)
	file := filepath.Join(data, "address.json")
	await(t, "the address is written", func() bool { _, err := os.Stat(file); return err == nil })
	var at struct{ URL string }
	text, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(text, &at) != nil {
		t.Fatalf("%s: %v", text, err)
	}
	resp, err := http.Get(at.URL + "/readyz")
	if err != nil {
		t.Fatalf("asked %s: %v", at.URL, err)
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("ready: %s, %v", resp.Status, err)
	}
	await(t, "the address is told", func() bool { return strings.Contains(p.said(t), at.URL+"/v1") })
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the address file: %v, %v", info.Mode(), err)
	}
}

package bench

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

// kept is an answer as a client keeps it: its head names a version, each chunk another one perhaps.
func kept(version, chunkVersion, text string) trace {
	return trace{version: version, chunks: [][]byte{
		fmt.Appendf(nil, `{"model":%q,"choices":[{"text":%q}]}`, version, text[:1]),
		fmt.Appendf(nil, `{"model":%q,"choices":[{"text":%q}]}`, chunkVersion, text[1:]),
		[]byte("[DONE]"),
	}}
}

// TestMixed shows that answers of two versions are found: here every version answers with its own name.
func TestMixed(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Model string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		w.Header().Set("X-Nightshift-Adapter", body.Model)
		fmt.Fprintf(w, "data: {\"model\":%q,\"choices\":[{\"text\":%q,\"finish_reason\":null}]}\n\n", body.Model, body.Model)
		fmt.Fprintf(w, "data: {\"model\":%q,\"usage\":{\"completion_tokens\":4}}\n\ndata: [DONE]\n\n", body.Model)
	}))
	defer server.Close()
	target := newHTTPTarget(server.URL, true)
	defer target.close()
	run := swapRun{opt: SwapOptions{Concurrency: 2}, server: target, prompts: []question{{number: 0, tokens: 4}}, traces: []trace{
		kept("default@1", "default@1", "default@1"),
		kept("default@2", "default@2", "default@2"),
		kept("default@2", "default@2", "default@2"),
		kept("default@2", "default@2", "default@1"), // says what another version says
		kept("default@1", "default@2", "default@1"), // names two
	}}
	mixed, versions, err := run.mixed(t.Context())
	if err != nil || mixed != 2 || versions != 2 {
		t.Errorf("%d mixed answers of %d versions, %v: want 2 of 2", mixed, versions, err)
	}
	if err := run.failed.err(); err != nil {
		t.Error(err)
	}
}

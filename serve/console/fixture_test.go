package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// hostile is text that must stay text wherever it is shown.
const hostile = `<img src=x onerror="window.owned=1"><script>window.owned=2</script>`

// A post is one request that changes something, as the fixture received it.
type post struct {
	Method, Path string
	Body         map[string]any
}

// A fixture is the REST API with fixed data. Streams move on only when the test says so.
type fixture struct {
	*httptest.Server
	t *testing.T

	mu       sync.Mutex
	posts    []post
	champion any // version number or nil for base
	number   int // of the activation
	held     bool
	degraded bool
	public   bool // the caller is no editor
	plan     map[string]any
	key      string         // required when not empty
	refuse   map[string]int // "METHOD path" → status, once

	step  chan struct{} // lets a chat stream send its next part
	event chan string   // what a night's stream sends next; empty: the connection ends
	gone  chan struct{} // told when a chat client went away
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{
		t: t, plan: waiting(), champion: 17.0, number: 31, refuse: map[string]int{},
		step: make(chan struct{}), event: make(chan string), gone: make(chan struct{}, 8),
	}
	mux := http.NewServeMux()
	for _, file := range Files() {
		pattern := "GET " + file.Path
		if file.Path == "/" {
			pattern = "GET /{$}"
		}
		mux.HandleFunc(pattern, serveFile(file))
	}
	mux.HandleFunc("GET /v1/status", f.status)
	mux.HandleFunc("GET /v1/models", f.models)
	mux.HandleFunc("GET /v1/tracks", f.tracks)
	mux.HandleFunc("GET /v1/tracks/{track}", f.track)
	mux.HandleFunc("GET /v1/adapters", f.adapters)
	mux.HandleFunc("GET /v1/nights", f.nights)
	mux.HandleFunc("GET /v1/nights/{id}", f.night)
	mux.HandleFunc("GET /v1/nights/{id}/events", f.events)
	mux.HandleFunc("POST /v1/nights", func(w http.ResponseWriter, r *http.Request) {
		send(w, 202, map[string]any{"id": "n-live", "track": "support", "state": "queued"})
	})
	mux.HandleFunc("POST /v1/chat/completions", f.chat)
	mux.HandleFunc("POST /v1/feedback", func(w http.ResponseWriter, r *http.Request) {
		send(w, 202, map[string]any{"accepted": 1, "ids": []string{"f1"}})
	})
	mux.HandleFunc("POST /v1/tracks/{track}/{action}", f.change)
	mux.HandleFunc("DELETE /v1/tracks/{track}/hold", f.change)
	f.Server = httptest.NewServer(f.guard(mux))
	t.Cleanup(f.Close)
	return f
}

func serveFile(file File) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for name, value := range file.Headers() {
			w.Header().Set(name, value)
		}
		_, _ = w.Write(file.Body)
	}
}

// guard checks the key, records what changes something, and refuses where the test asked for it.
func (f *fixture) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", "req-7")
		api := strings.HasPrefix(r.URL.Path, "/v1/")
		f.mu.Lock()
		key := f.key
		status := f.refuse[r.Method+" "+r.URL.Path]
		delete(f.refuse, r.Method+" "+r.URL.Path)
		f.mu.Unlock()
		if api && key != "" && r.Header.Get("Authorization") != "Bearer "+key {
			status = http.StatusUnauthorized
		}
		if api && r.Method != http.MethodGet {
			var body map[string]any
			if r.ContentLength > 0 {
				if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.Header.Get("Content-Type") != "application/json" {
					f.t.Errorf("%s %s: body %v, content type %q", r.Method, r.URL.Path, err, r.Header.Get("Content-Type"))
				}
			}
			f.mu.Lock()
			f.posts = append(f.posts, post{r.Method, r.URL.Path, body})
			f.mu.Unlock()
			r = r.WithContext(withBody(r.Context(), body))
		}
		if status != 0 {
			if status == http.StatusTooManyRequests {
				w.Header().Set("Retry-After", "2")
			}
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"error":{"message":"Refused with %d.","type":"server_error","param":null,"code":null},"status":%d}`, status, status)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func send(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that left is no failure of the fixture
}

// last returns the newest recorded change.
func (f *fixture) last() post {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.posts) == 0 {
		return post{}
	}
	return f.posts[len(f.posts)-1]
}

func (f *fixture) refuseOnce(what string, status int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuse[what] = status
}

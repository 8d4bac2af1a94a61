package loadtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
)

const track = "shop"

// lie is a way to break a promise, to those who ask the track and not a version of it.
type lie int

const (
	honest lie = iota
	fingerprintChanges
	headerDiffers
	endDiffers
	textDiffers
	breaksOff
	failsInside
	neverSwaps
	refusesRollbacks
)

// server speaks as much of the API as swap-under-load needs. Version n answers every question with the word for n, ten times.
type server struct {
	lie lie

	mu       sync.Mutex
	champion int
	previous int
}

func newServer(l lie) http.Handler {
	s := &server{lie: l, champion: 2, previous: 1}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { send(w, map[string]any{}) })
	mux.HandleFunc("GET /v1/tracks/"+track, func(w http.ResponseWriter, _ *http.Request) {
		send(w, map[string]any{"track": track, "champion": map[string]any{"version": 2, "hold": false}, "candidate": nil})
	})
	mux.HandleFunc("GET /v1/adapters", func(w http.ResponseWriter, _ *http.Request) {
		send(w, map[string]any{"data": []any{
			map[string]any{"version": 2, "state": "champion"}, map[string]any{"version": 1, "state": "available"},
			map[string]any{"version": 3, "state": "rejected"}, map[string]any{"version": 4, "state": "available", "self_test": "fail"},
		}})
	})
	mux.HandleFunc("POST /v1/tracks/"+track+"/activate", func(w http.ResponseWriter, r *http.Request) {
		var order struct {
			Version int `json:"version"`
		}
		if err := json.NewDecoder(r.Body).Decode(&order); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.swap(w, order.Version)
	})
	mux.HandleFunc("POST /v1/tracks/"+track+"/rollback", func(w http.ResponseWriter, _ *http.Request) { s.swap(w, 0) })
	mux.HandleFunc("DELETE /v1/tracks/"+track+"/hold", func(w http.ResponseWriter, _ *http.Request) { send(w, map[string]any{}) })
	mux.HandleFunc("POST /v1/chat/completions", s.complete)
	return mux
}

func send(w http.ResponseWriter, v any) {
	_ = json.NewEncoder(w).Encode(v) // whoever does not read it has gone
}

// swap activates a version, or for 0 the one before.
func (s *server) swap(w http.ResponseWriter, version int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if version == 0 {
		if s.lie == refusesRollbacks {
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
		version = s.previous
	}
	if version != s.champion && s.lie != neverSwaps {
		s.champion, s.previous = version, s.champion
	}
	send(w, map[string]any{"version": version, "serving": true, "swap_ms": 0.5})
}

func word(version int) string { return [...]string{"none ", "one ", "two "}[version] }

func chunk(version int, text string, finish any, more map[string]any) string {
	c := map[string]any{
		"model": fmt.Sprintf("%s@%d", track, version), "system_fingerprint": fmt.Sprintf("ns_%012d", version),
		"choices": []any{map[string]any{"delta": map[string]any{"content": text}, "finish_reason": finish}},
	}
	for name, v := range more {
		c[name] = v
	}
	data, err := json.Marshal(c)
	if err != nil {
		panic(err) // strings and numbers
	}
	return "data: " + string(data) + "\n\n"
}

// complete answers as the named version, or as the champion and then with the lie.
func (s *server) complete(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Model string `json:"model"`
	}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	version, told := s.champion, s.lie
	s.mu.Unlock()
	if _, err := fmt.Sscanf(q.Model, track+"@%d", &version); err == nil {
		told = honest
	}
	other, header, named, said, end := 3-version, version, version, version, version
	switch told {
	case headerDiffers:
		header = other
	case fingerprintChanges:
		named = other
	case textDiffers:
		said = other
	case endDiffers:
		end = other
	}
	w.Header().Set("X-Nightshift-Adapter", fmt.Sprintf("%s@%d", track, header))
	var b strings.Builder
	for i := range 10 {
		switch {
		case i < 5:
			b.WriteString(chunk(version, word(version), nil, nil))
		case told == failsInside:
			b.WriteString(`data: {"error":{"message":"no more"}}` + "\n\n")
		default:
			b.WriteString(": keep-alive\n\n" + chunk(named, word(said), nil, nil))
		}
	}
	if told != breaksOff {
		b.WriteString(chunk(version, "", "stop", map[string]any{
			"nightshift": map[string]any{"track": track, "version": end, "digest": fmt.Sprintf("sha256:%012d00", end), "interaction": "i", "feedback_token": "t", "logged": true},
			"timings":    map[string]any{"first_token_ms": 2, "queue_ms": 0.1, "tokens_per_second": 500, "inter_token_p50_ms": 1.5, "inter_token_p99_ms": 2.5, "inter_token_max_ms": 300},
			"usage":      map[string]any{"completion_tokens": 10},
		}) + "data: [DONE]\n\n")
	}
	_, _ = w.Write([]byte(b.String())) // as in send
}

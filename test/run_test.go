package test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nightshift/models/demo"
)

// streamed is one streamed answer as a client saw it.
type streamed struct {
	first    time.Duration // from the request to the first words
	text     string
	finished bool // [DONE] came
	about    string
}

// stream asks for a streamed answer and reads it to its end. An error means that no answer was begun.
func (a *api) stream(ctx context.Context, body map[string]any) (streamed, error) {
	body["stream"] = true
	begin := time.Now()
	var s streamed
	resp, err := a.open(ctx, body)
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		switch {
		case !ok:
		case data == "[DONE]":
			s.finished = true
		default:
			if s.first == 0 && strings.Contains(data, `"content":"`) && !strings.Contains(data, `"content":""`) {
				s.first = time.Since(begin)
			}
			if strings.Contains(data, `"nightshift":{`) {
				s.about = data
			}
			s.text += data
		}
	}
	return s, nil // how far it came is in s
}

func (a *api) open(ctx context.Context, body map[string]any) (*http.Response, error) {
	data, err := jsonReader(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.base+"/v1/chat/completions", data)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err == nil && resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		err = fmt.Errorf("status %d", resp.StatusCode)
	}
	return resp, err
}

// TestRun starts the program as a newcomer does, and again on the same data.
func TestRun(t *testing.T) {
	needRuntime(t)
	data := filepath.Join(t.TempDir(), "data")
	s := serverOf(t, "run", "--data", data)
	ready := time.Since(s.begin)
	first, err := s.stream(deadline(t, hang), question("", "How long do I have to return something?"))
	took := time.Since(s.begin)
	if err != nil || !first.finished || first.first == 0 {
		t.Fatalf("the first answer: %+v, %v", first, err)
	}
	t.Logf("ready after %.2f s; first streamed answer whole after %.2f s, its first words %.1f ms after the request", ready.Seconds(), took.Seconds(), 1000*first.first.Seconds())
	await(t, "the program says where it is", func() bool { return strings.Contains(s.said(t), "nightshift is ready") })
	holds(t, "what it says", s.said(t), s.base+"/v1", s.base+"/docs", data)

	answer := s.ask("ann", "How long do I have to return something?")
	rate := map[string]any{"id": "thumb-1", "interaction": answer.About.Interaction, "token": answer.About.Token, "rating": "up", "user": "ann"}
	s.call(http.MethodPost, "/v1/feedback", rate, http.StatusAccepted)
	counted := func(p *program) (n struct{ Interactions, Feedback int }) {
		p.call(http.MethodGet, "/v1/tracks/default", nil, http.StatusOK).into(t, &n)
		return n
	}
	await(t, "two interactions and one rating are counted", func() bool {
		n := counted(s)
		return n.Interactions == 2 && n.Feedback == 1
	})

	t.Run("InUse", func(t *testing.T) {
		refused(t, []string{"run", "--data", data, "--listen", freeAddress(t)}, "another process", "stop that process")
		refused(t, []string{"update", "--replay", "20260101-000000-none", "--data", data}, "another process", "stop that process")
		address := strings.TrimPrefix(s.base, "http://")
		got := execute(t, "run", "--data", t.TempDir(), "--listen", address)
		if got.code != 1 {
			t.Errorf("status %d, want 1", got.code)
		}
		holds(t, "a second server on the same address", got.err, "listen on "+address, "address already in use", "--listen")
	})

	if code := s.stop(t); code != 0 {
		t.Errorf("status %d after SIGTERM, want 0:\n%s", code, s.said(t))
	}
	if _, err := os.Stat(filepath.Join(data, "address.json")); !os.IsNotExist(err) {
		t.Errorf("the address file is still there: %v", err)
	}
	again := serverOf(t, "run", "--data", data)
	await(t, "the data has survived the restart", func() bool {
		n := counted(again)
		return n.Interactions == 2 && n.Feedback == 1
	})
	again.call(http.MethodPost, "/v1/feedback", rate, http.StatusAccepted) // the old answer can be rated, with its token
	rate["rating"] = "down"
	again.call(http.MethodPost, "/v1/feedback", rate, http.StatusConflict)
	if a := again.ask("", "How long do I have to return something?"); a.text() != answer.text() {
		t.Errorf("after the restart it says %q, before %q", a.text(), answer.text())
	}
	drains(t, again)
}

// drains stops a server under traffic: every answer that was begun is finished, and the process ends by itself.
func drains(t *testing.T, s *program) {
	t.Helper()
	ctx := deadline(t, hang)
	var begun, cut atomic.Int64
	var wg sync.WaitGroup
	questions := demo.Facts()[0].Questions(demo.Demo)
	for w := range 8 {
		wg.Go(func() {
			for i := w; ; i++ {
				got, err := s.stream(ctx, question("", questions[i%len(questions)]))
				if err != nil {
					return // it takes no new requests
				}
				begun.Add(1)
				if !got.finished {
					cut.Add(1)
				}
			}
		})
	}
	await(t, "the server is busy", func() bool { return begun.Load() > 40 })
	code := s.stop(t)
	wg.Wait()
	t.Logf("%d streamed answers until the server ended, %d cut off", begun.Load(), cut.Load())
	if code != 0 || cut.Load() > 0 {
		t.Errorf("status %d after SIGTERM under traffic, %d answers cut off", code, cut.Load())
	}
}

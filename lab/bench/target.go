package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"nightshift/internal/engine"
)

// engineTarget is the bare engine with the base model.
type engineTarget struct{ engine *engine.Engine }

func (e engineTarget) answer(ctx context.Context, q question) trace {
	t := trace{question: q, begin: time.Now(), arrivals: make([]time.Time, 0, q.tokens)}
	pin, _ := e.engine.Bank().Pin("")
	stream, err := e.engine.Submit(ctx, engine.Request{Prompt: q.ids, Pin: pin, MaxTokens: q.tokens})
	if err != nil {
		t.err = err
		return t
	}
	for p := range stream.Pieces {
		if p.HasToken {
			t.tokens++
		}
		if p.Text != "" {
			t.arrivals = append(t.arrivals, time.Now())
		}
	}
	t.err = stream.Result().Err
	return t
}

// httpTarget is a server, asked for streams as OpenAI's clients do.
type httpTarget struct {
	url    string
	client *http.Client
	keep   bool // the chunks
}

func newHTTPTarget(url string, keep bool) httpTarget {
	transport := &http.Transport{MaxIdleConnsPerHost: 1024, DisableCompression: true}
	return httpTarget{url: url, client: &http.Client{Transport: transport}, keep: keep}
}

func (h httpTarget) close() { h.client.CloseIdleConnections() }

// post sends a JSON body; the caller closes the answer's.
func (h httpTarget) post(ctx context.Context, path string, body any) (*http.Response, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", path, err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url+path, bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", path, err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := h.client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", path, err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		detail, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // what there is of it
		return nil, fmt.Errorf("ask %s: %s: %s", path, resp.Status, detail)
	}
	return resp, nil
}

// metric reads a metric without labels.
func (h httpTarget) metric(ctx context.Context, name string) (float64, error) {
	fail := func(err error) (float64, error) { return 0, fmt.Errorf("read metric %s: %w", name, err) }
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url+"/metrics", nil)
	if err != nil {
		return fail(err)
	}
	resp, err := h.client.Do(r)
	if err != nil {
		return fail(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fail(errors.New(resp.Status))
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			v, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return fail(err)
			}
			return v, nil
		}
	}
	return fail(errors.Join(errors.New("the server does not have it"), lines.Err()))
}

func (h httpTarget) answer(ctx context.Context, q question) trace {
	t := trace{question: q, begin: time.Now(), arrivals: make([]time.Time, 0, q.tokens)}
	resp, err := h.post(ctx, "/v1/completions", map[string]any{"model": q.model, "prompt": q.text, "max_tokens": q.tokens, "temperature": 0, "stream": true,
		"stream_options": map[string]any{"include_usage": true}})
	if err != nil {
		t.err = err
		return t
	}
	defer resp.Body.Close()
	t.version = resp.Header.Get("X-Nightshift-Adapter")
	t.err = t.read(resp.Body, h.keep)
	return t
}

var (
	dataPrefix = []byte("data: ")
	noFinish   = []byte(`"finish_reason":null`)
	usageField = []byte(`"usage":`)
	doneMark   = []byte("[DONE]")
)

// read takes a stream of chunks. Only what ends it is parsed: the client runs on the machine that it measures.
func (t *trace) read(body io.Reader, keep bool) error {
	lines := bufio.NewReaderSize(body, 64<<10)
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("read stream: it ended without [DONE]: %w", err)
		}
		data, ok := bytes.CutPrefix(line, dataPrefix)
		if !ok {
			continue
		}
		data = bytes.TrimSpace(data)
		if keep {
			t.chunks = append(t.chunks, bytes.Clone(data))
		}
		switch {
		case bytes.Contains(data, noFinish):
			t.arrivals = append(t.arrivals, time.Now())
		case bytes.Equal(data, doneMark):
			return nil
		case bytes.Contains(data, usageField):
			var last struct {
				Usage struct {
					Tokens int `json:"completion_tokens"`
				} `json:"usage"`
			}
			if err := json.Unmarshal(data, &last); err != nil {
				return fmt.Errorf("read stream: %w", err)
			}
			t.tokens = last.Usage.Tokens
		case bytes.HasPrefix(data, []byte(`{"error"`)):
			return fmt.Errorf("read stream: it failed: %s", data)
		}
	}
}

// content puts together what a kept answer says: every version that its chunks name, and its text.
func (t *trace) content() (versions []string, text string, err error) {
	versions = append(versions, t.version)
	for _, data := range t.chunks {
		if bytes.Equal(data, doneMark) {
			continue
		}
		var chunk struct {
			Model   string `json:"model"`
			Choices []struct {
				Text string `json:"text"`
			} `json:"choices"`
		}
		if err := json.Unmarshal(data, &chunk); err != nil {
			return nil, "", fmt.Errorf("read chunk: %w", err)
		}
		versions = append(versions, chunk.Model)
		for _, c := range chunk.Choices {
			text += c.Text
		}
	}
	return versions, text, nil
}

package walkthrough

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"nightshift/serve/api/wire"
)

// client calls one server's API, as any program would.
type client struct {
	base string
	key  string
	http *http.Client
}

// Answer is one reply with what the server says about it.
type Answer struct {
	Text        string
	Model       string // "default@3": the version that the body names
	Header      string // the same from the response header
	Interaction string
	Token       string // proves the right to rate this answer
	Finish      string
}

// call sends a JSON request and reads a JSON answer.
func (c *client) call(ctx context.Context, method, path string, body, into any) error {
	resp, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // read to the end
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

// send sends a request and turns what is not a success into an error.
func (c *client) send(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var reader io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", method, path, err)
		}
		reader = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, reader)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 {
		defer resp.Body.Close() //nolint:errcheck // read to the end
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		return nil, fmt.Errorf("%s %s: status %d: %s", method, path, resp.StatusCode, text)
	}
	return resp, nil
}

// chat is a request for one answer, greedy.
func chat(model, user, question string, stream bool) wire.ChatRequest {
	return wire.ChatRequest{Model: model, Messages: []wire.ChatMessage{{Role: "user", Content: question}}, MaxTokens: 64, Stream: stream, User: user}
}

// ask gets one answer whole.
func (c *client) ask(ctx context.Context, model, user, question string) (Answer, error) {
	resp, err := c.send(ctx, http.MethodPost, "/v1/chat/completions", chat(model, user, question, false))
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close() //nolint:errcheck // read to the end
	var body wire.Completion
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		return Answer{}, fmt.Errorf("read answer: %w", err)
	}
	if len(body.Choices) != 1 {
		return Answer{}, fmt.Errorf("read answer: %d choices", len(body.Choices))
	}
	one := body.Choices[0]
	if one.Message == nil || one.FinishReason == nil || body.Nightshift == nil {
		return Answer{}, errors.New("read answer: it is not whole")
	}
	return Answer{Text: one.Message.Content, Model: body.Model, Header: resp.Header.Get(wire.HeaderAdapter),
		Interaction: body.Nightshift.Interaction, Token: body.Nightshift.FeedbackToken, Finish: *one.FinishReason}, nil
}

// stream gets one answer as it is generated.
func (c *client) stream(ctx context.Context, model, question string) (Answer, error) {
	resp, err := c.send(ctx, http.MethodPost, "/v1/chat/completions", chat(model, "", question, true))
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close() //nolint:errcheck // read to the end
	a := Answer{Header: resp.Header.Get(wire.HeaderAdapter)}
	done := false
	for e, err := range wire.Events(resp.Body) {
		if err != nil {
			return a, err
		}
		if e.Data == wire.Done {
			done = true
		} else if err := a.take(e.Data); err != nil {
			return a, err
		}
	}
	if !done {
		err = errors.New("the stream ended without [DONE]")
	}
	return a, err
}

// take adds a chunk of a stream to the answer.
func (a *Answer) take(data string) error {
	var chunk struct {
		wire.Completion
		Error json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal([]byte(data), &chunk); err != nil {
		return fmt.Errorf("read chunk: %w", err)
	}
	if chunk.Error != nil {
		return fmt.Errorf("the stream failed: %s", chunk.Error)
	}
	if a.Model != "" && chunk.Model != a.Model {
		return fmt.Errorf("the stream names two versions: %s and %s", a.Model, chunk.Model)
	}
	a.Model = chunk.Model
	for _, choice := range chunk.Choices {
		if choice.Delta != nil && choice.Delta.Content != nil {
			a.Text += *choice.Delta.Content
		}
		if choice.FinishReason != nil {
			a.Finish = *choice.FinishReason
		}
	}
	return nil
}

// waitReady polls until the server is ready; exited tells that it is gone.
func (c *client) waitReady(ctx context.Context, exited <-chan error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-exited:
			return fmt.Errorf("the server ended before it was ready: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			if c.call(ctx, http.MethodGet, "/readyz", nil, nil) == nil {
				return nil
			}
		}
	}
}

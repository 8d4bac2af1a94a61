package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"nightshift/replaystore"
)

// controlLength is about how many signals are kept.
const controlLength = 10_000

// blockSlice is how long one blocking read lasts at most, so that a cancelled context ends a longer one.
const blockSlice = 250 * time.Millisecond

// control is the control stream in Redis; ids are those of the Redis stream.
type control struct {
	client redis.UniversalClient
	key    string
	now    func() time.Time
}

// Publish implements replaystore.Control.
func (c control) Publish(ctx context.Context, s replaystore.Signal) (string, error) {
	if err := s.Validate(); err != nil {
		return "", fmt.Errorf("publish: %w", err)
	}
	if s.Time.IsZero() {
		s.Time = c.now()
	}
	id, err := c.client.XAdd(ctx, &redis.XAddArgs{Stream: c.key, MaxLen: controlLength, Approx: true, Values: []any{
		"kind", s.Kind, "time", s.Time.UTC().Format(time.RFC3339Nano), "data", []byte(s.Data),
	}}).Result()
	if err != nil {
		return "", fmt.Errorf("publish %s: %w", s.Kind, err)
	}
	return id, nil
}

// Read implements replaystore.Control.
func (c control) Read(ctx context.Context, after string, limit int, block time.Duration) ([]replaystore.Signal, error) {
	if after == "" {
		after = "0-0"
	}
	if !validPlace(after) {
		return nil, fmt.Errorf("read control stream: %q is not an id of it", after)
	}
	if limit <= 0 {
		return nil, nil
	}
	end := time.Now().Add(block)
	for {
		slice := min(time.Until(end), blockSlice)
		if slice < time.Millisecond {
			slice = -1 // do not wait
		}
		streams, err := c.client.XRead(ctx, &redis.XReadArgs{Streams: []string{c.key, after}, Count: int64(limit), Block: slice}).Result()
		switch {
		case err != nil && !errors.Is(err, redis.Nil):
			return nil, fmt.Errorf("read control stream: %w", err)
		case err == nil && len(streams) > 0 && len(streams[0].Messages) > 0:
			return c.signals(streams[0].Messages), nil
		case ctx.Err() != nil:
			return nil, fmt.Errorf("read control stream: %w", ctx.Err())
		case slice < 0:
			return nil, nil
		}
	}
}

func (c control) signals(messages []redis.XMessage) []replaystore.Signal {
	out := make([]replaystore.Signal, 0, len(messages))
	for _, m := range messages {
		out = append(out, c.signal(m))
	}
	return out
}

func (c control) signal(m redis.XMessage) replaystore.Signal {
	text := func(name string) string { v, _ := m.Values[name].(string); return strings.Clone(v) }
	s := replaystore.Signal{ID: m.ID, Kind: text("kind"), Data: []byte(text("data"))}
	if t, err := time.Parse(time.RFC3339Nano, text("time")); err == nil {
		s.Time = t
	}
	return s
}

// Last implements replaystore.Control.
func (c control) Last(ctx context.Context) (string, error) {
	messages, err := c.client.XRevRangeN(ctx, c.key, "+", "-", 1).Result()
	if err != nil {
		return "", fmt.Errorf("read control stream: %w", err)
	}
	if len(messages) == 0 {
		return "", nil
	}
	return messages[0].ID, nil
}

package redisstore

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"
)

// poolLog takes what go-redis would print to standard error. A server that is down is reported once, by the store.
type poolLog struct{}

// Printf implements the logger of go-redis.
func (poolLog) Printf(ctx context.Context, format string, args ...any) {
	slog.DebugContext(ctx, "redis client", "text", fmt.Sprintf(format, args...))
}

func init() { redis.SetLogger(poolLog{}) }

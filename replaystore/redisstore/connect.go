package redisstore

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"nightshift/replaystore"
)

// reason says in a few words why Redis is not used.
func reason(err error) string {
	text := err.Error()
	switch {
	case errors.Is(err, ErrRefused):
		return text
	case strings.Contains(text, "MISCONF"):
		return "Redis cannot save to its disk and refuses writes: " + text
	case strings.Contains(text, "OOM "):
		return "Redis is out of memory and refuses writes: " + text
	}
	return "Redis cannot be reached or answers with an error: " + text
}

// identity is a string that changes when a Redis server may have lost data: each master's run id and replication id,
// and an epoch that a flush removes. It also refuses masters that evict.
func (s *Store) identity(ctx context.Context) (string, error) {
	var mu sync.Mutex
	var parts []string
	look := func(ctx context.Context, c *redis.Client) error {
		part, err := s.masterIdentity(ctx, c)
		mu.Lock()
		defer mu.Unlock()
		parts = append(parts, part)
		return err
	}
	var err error
	switch c := s.client.(type) {
	case *redis.ClusterClient:
		err = c.ForEachMaster(ctx, look)
	case *redis.Client:
		err = look(ctx, c)
	}
	if err != nil {
		return "", err
	}
	slices.Sort(parts)
	fresh := make([]byte, 16)
	rand.Read(fresh)
	epoch, err := s.fixed(ctx, "epoch", hex.EncodeToString(fresh))
	return strings.Join(append(parts, epoch), " "), err
}

func (s *Store) masterIdentity(ctx context.Context, c *redis.Client) (string, error) {
	text := ""
	for _, section := range []string{"server", "replication", "memory"} {
		part, err := c.Info(ctx, section).Result()
		var answer redis.Error
		if errors.As(err, &answer) && !strings.HasPrefix(answer.Error(), "LOADING") {
			continue // a server or proxy without this section: the epoch still tells of a flush
		}
		if err != nil {
			return "", err
		}
		text += part + "\r\n"
	}
	info := make(map[string]string)
	for line := range strings.SplitSeq(text, "\r\n") {
		if name, value, ok := strings.Cut(line, ":"); ok {
			info[name] = value
		}
	}
	if p := info["maxmemory_policy"]; p != "" && p != "noeviction" {
		return "", fmt.Errorf("%w: its maxmemory-policy is %s, which deletes data; set it to noeviction", ErrRefused, p)
	}
	return info["run_id"] + "/" + info["master_replid"], nil
}

// fixed returns the value of a control key, setting it when there is none.
func (s *Store) fixed(ctx context.Context, name, value string) (string, error) {
	if err := s.client.SetNX(ctx, s.keys.control(name), value, 0).Err(); err != nil {
		return "", err
	}
	return s.client.Get(ctx, s.keys.control(name)).Result()
}

// settle agrees with the other processes on the store's secret and the number of shards.
func (s *Store) settle(ctx context.Context) ([]byte, error) {
	shards, err := s.fixed(ctx, "shards", strconv.Itoa(s.cfg.Shards))
	if err != nil {
		return nil, err
	}
	if shards != strconv.Itoa(s.cfg.Shards) {
		return nil, fmt.Errorf("%w: its tracks have %s shards, and %d are configured", ErrRefused, shards, s.cfg.Shards)
	}
	file := filepath.Join(s.cfg.Dir, "secret")
	var mine []byte
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		if mine, err = replaystore.LoadSecret(file, nil); err != nil {
			return nil, err
		}
	} else {
		mine = make([]byte, replaystore.SecretSize)
		rand.Read(mine)
	}
	text, err := s.fixed(ctx, "secret", hex.EncodeToString(mine))
	if err != nil {
		return nil, err
	}
	secret, err := decodeSecret(text)
	if err != nil {
		return nil, err
	}
	kept, err := replaystore.LoadSecret(file, secret)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(kept, secret) {
		return nil, fmt.Errorf("%w: its store secret is not the one in %s; this journal belongs to another store", ErrRefused, file)
	}
	return secret, nil
}

package redisstore

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"nightshift/replaystore"
)

// Config of a Redis store. Addrs and Dir are required; zero fields take the defaults.
type Config struct {
	Addrs      []string // one: standalone; several: a cluster; with MasterName: Sentinels
	MasterName string
	Cluster    bool // Addrs is one seed of a cluster
	Username   string
	Password   string
	// SentinelUsername and SentinelPassword are for the Sentinels themselves.
	SentinelUsername string
	SentinelPassword string
	DB               int
	TLS              *tls.Config
	Prefix           string        // of every key; "nightshift"
	Shards           int           // of every track; 1; fixed by the first process that uses the prefix
	Timeout          time.Duration // of dialling, reading and writing; 500 ms

	Dir          string // of the local journal; one process each
	Server       string // name of this process in shipped marks; one that is made and kept in Dir
	SegmentBytes int64  // of the journal

	Memory    replaystore.MemoryLimits            // of a track
	Tracks    map[string]replaystore.MemoryLimits // of the tracks that differ
	Resend    time.Duration                       // how much is sent again when Redis may have lost data; 10 min
	Probe     time.Duration                       // how often Redis is looked at when nothing happens, and tried when it is down; 1 s
	MarkEvery time.Duration                       // how often a shipped mark is published; 5 s
	Log       *slog.Logger
	Now       func() time.Time // time.Now
}

func (c Config) withDefaults() (Config, error) {
	if len(c.Addrs) == 0 {
		return c, errors.New("give at least one Redis address")
	}
	if c.Dir == "" {
		return c, errors.New("give a directory for the local journal")
	}
	if c.Prefix == "" {
		c.Prefix = "nightshift"
	}
	if c.Shards <= 0 {
		c.Shards = 1
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&c.Timeout, 500 * time.Millisecond}, {&c.Resend, 10 * time.Minute}, {&c.Probe, time.Second}, {&c.MarkEvery, 5 * time.Second}} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, nil
}

// limits are those of a track's rehearsal memory.
func (c Config) limits(track string) replaystore.MemoryLimits {
	if l, differs := c.Tracks[track]; differs {
		return l.WithDefaults()
	}
	return c.Memory.WithDefaults()
}

// client makes the client; it does not connect.
func (c Config) client() redis.UniversalClient {
	o := &redis.UniversalOptions{
		Addrs: c.Addrs, MasterName: c.MasterName, IsClusterMode: c.Cluster,
		Username: c.Username, Password: c.Password, SentinelUsername: c.SentinelUsername, SentinelPassword: c.SentinelPassword,
		DB: c.DB, TLSConfig: c.TLS,
		ContextTimeoutEnabled: true,
		DialTimeout:           c.Timeout, ReadTimeout: c.Timeout, WriteTimeout: c.Timeout,
		MaxRetries: 1,
	}
	if c.MasterName == "" && (c.Cluster || len(c.Addrs) > 1) {
		cluster := o.Cluster()
		cluster.ClusterStateReloadInterval = time.Second // the default leaves writers without a master for a minute
		return redis.NewClusterClient(cluster)
	}
	return redis.NewUniversalClient(o)
}

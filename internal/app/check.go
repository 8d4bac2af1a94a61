package app

import (
	"net"
	"slices"
	"strconv"

	"nightshift/internal/registry"
	"nightshift/serve"
	"nightshift/update/night"
)

// Check implements config.Checker: it holds the rules between sections.
func (c Config) Check(report func(key, format string, args ...any)) {
	if c.Data == "" {
		report("data", "want a directory")
	}
	c.checkListen(report)
	names := map[string]bool{}
	for i, k := range c.Keys {
		if k.Name == "" || names[k.Name] {
			report("keys["+strconv.Itoa(i)+"].name", "want a name that no other key has")
		}
		names[k.Name] = true
	}
	if _, taken := c.Tracks[c.Router.Model]; taken || c.Router.Model == registry.Default {
		report("router.model", "%q is a track; want a name that none has", c.Router.Model)
	}
	c.checkUpdate(c.Update, "update", report)
	for name, t := range c.Tracks {
		at := "tracks." + name
		if registry.CheckTrack(name) != nil {
			report(at, "want a name of 1 to 63 of a-z, 0-9, _ and -, beginning with a letter or digit")
		}
		c.checkUpdate(t.Update, at+".update", report)
		if t.Update.Threads != c.Update.Threads {
			report(at+".update.threads", "want update.threads, which holds for all tracks")
		}
		if t.Update.MemoryLimit != c.Update.MemoryLimit {
			report(at+".update.memory_limit", "want update.memory_limit, which holds for all tracks")
		}
	}
}

// checkListen holds the rule that a server without keys is for this machine alone.
func (c Config) checkListen(report func(key, format string, args ...any)) {
	_, port, err := net.SplitHostPort(c.Listen)
	number, portErr := strconv.Atoi(port)
	switch {
	case err != nil || portErr != nil || number < 0 || number > 65535:
		report("listen", "want host:port such as 127.0.0.1:8080, not %q", c.Listen)
	case len(c.Keys) == 0 && !serve.Loopback(c.Listen):
		report("listen", "%s can be reached from other machines, and there are no keys: add keys, or listen on 127.0.0.1:%s", c.Listen, port)
	}
}

// checkUpdate holds the rules between the learning settings at a key and the other sections.
func (c Config) checkUpdate(u night.Settings, at string, report func(key, format string, args ...any)) {
	if track := u.WarmStart.Track; track != "" && (track == c.Router.Model || slices.Contains(c.Router.Tracks, track)) {
		report(at+".warm_start.track", "%q is named by router; want a track that nobody asks", track)
	}
	if m := u.Train.Methods; m.Orthogonal > 0 && m.OrthogonalRank > c.Engine.MaxRank {
		report(at+".train.methods.orthogonal_rank", "want at most engine.max_rank, %d, not %d", c.Engine.MaxRank, m.OrthogonalRank)
	}
}

// Check implements config.Checker.
func (s Store) Check(report func(key, format string, args ...any)) {
	if s.Kind == "redis" && len(s.Redis.Addresses) == 0 {
		report("redis.addresses", "want at least one host:port")
	}
	for i, address := range s.Redis.Addresses {
		if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
			report("redis.addresses["+strconv.Itoa(i)+"]", "want host:port, not %q", address)
		}
	}
}

// Check implements config.Checker.
func (e Engine) Check(report func(key, format string, args ...any)) {
	if e.BankRows == 1 {
		report("bank_rows", "want 0, or at least 2: the first row is the base model's")
	}
}

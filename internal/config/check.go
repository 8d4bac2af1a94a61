package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"nightshift/internal/schedule"
)

var (
	trackName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)
	keyHash   = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

// checker collects what is wrong with a configuration.
type checker struct{ errs []error }

func (c *checker) want(ok bool, key, format string, args ...any) {
	if !ok {
		c.errs = append(c.errs, fmt.Errorf("configuration: %s: %s", key, fmt.Sprintf(format, args...)))
	}
}

// Check reports all keys whose values are not allowed, and what is.
func (c Config) Check() error {
	k := &checker{}
	k.bounds(reflect.ValueOf(c), "")
	k.want(c.Data != "", "data", "want a directory")
	k.listen(c)
	k.keys(c.Keys)
	for i, origin := range c.CORS.Origins {
		u, err := url.Parse(origin)
		ok := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && origin == u.Scheme+"://"+u.Host
		k.want(ok || origin == "*", fmt.Sprintf("cors.origins[%d]", i), "want * or scheme and host such as https://shop.example, not %q", origin)
	}
	k.want(c.Store.Kind != "redis" || len(c.Store.Redis.Addresses) > 0, "store.redis.addresses", "want at least one host:port")
	for i, address := range c.Store.Redis.Addresses {
		_, port, err := net.SplitHostPort(address)
		k.want(err == nil && port != "", fmt.Sprintf("store.redis.addresses[%d]", i), "want host:port, not %q", address)
	}
	for i, extra := range c.Redact.Extra {
		_, err := regexp.Compile(extra.Pattern)
		k.want(err == nil && extra.Pattern != "" && extra.Name != "", fmt.Sprintf("redact.extra[%d]", i), "want a name and a regular expression (%v)", err)
	}
	k.want(c.Engine.BankRows != 1, "engine.bank_rows", "want 0, or at least 2: the first row is the base model's")
	k.router(c)
	k.update(c.Update, "update", c.Engine.MaxRank)
	k.initials(c)
	for name, t := range c.Tracks {
		k.want(trackName.MatchString(name), "tracks."+name, "want a name of 1 to 63 of a-z, 0-9, _ and -, beginning with a letter or digit")
		k.bounds(reflect.ValueOf(t), "tracks."+name+".")
		k.update(t.Update, "tracks."+name+".update", c.Engine.MaxRank)
		k.want(t.Update.Threads == c.Update.Threads, "tracks."+name+".update.threads", "want update.threads, which holds for all tracks")
		k.want(t.Update.MemoryLimit == c.Update.MemoryLimit, "tracks."+name+".update.memory_limit", "want update.memory_limit, which holds for all tracks")
	}
	slices.SortFunc(k.errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(k.errs...)
}

// bounds checks what the tags of all scalars say.
func (c *checker) bounds(v reflect.Value, prefix string) {
	for _, f := range fields(v) {
		c.bound(f.value, prefix+f.key, f.tag)
	}
}

func (c *checker) bound(v reflect.Value, key string, tag reflect.StructTag) {
	switch v.Kind() {
	case reflect.Struct:
		c.bounds(v, key+".")
	case reflect.Slice:
		for i := range v.Len() {
			c.bound(v.Index(i), fmt.Sprintf("%s[%d]", key, i), tag)
		}
	case reflect.Map:
	default:
		if err := checkTag(v, tag); err != nil {
			c.want(false, key, "%v", err)
		}
	}
}

// listen holds the rule that a server without keys is for this machine alone.
func (c *checker) listen(config Config) {
	host, port, err := net.SplitHostPort(config.Listen)
	number, portErr := strconv.Atoi(port)
	if err != nil || portErr != nil || number < 0 || number > 65535 {
		c.want(false, "listen", "want host:port such as 127.0.0.1:8080, not %q", config.Listen)
		return
	}
	c.want(len(config.Keys) > 0 || Loopback(host), "listen",
		"%s can be reached from other machines, and there are no keys: add keys, or listen on 127.0.0.1:%s", config.Listen, port)
}

// Loopback reports whether a host is this machine only.
func Loopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

func (c *checker) keys(keys []Key) {
	names := map[string]bool{}
	for i, k := range keys {
		at := fmt.Sprintf("keys[%d]", i)
		c.want(k.Name != "" && !names[k.Name], at+".name", "want a name that no other key has")
		names[k.Name] = true
		c.want((k.Key == "") != (k.Hash == ""), at, "want either key or hash")
		c.want(k.Hash == "" || keyHash.MatchString(k.Hash), at+".hash", "want sha256: and 64 hex digits")
		c.want(k.Key == "" || len(k.Key) >= 16, at+".key", "want at least 16 characters")
		c.want(len(k.Roles) > 0, at+".roles", "want at least one of generate, feedback, editor, special_tokens, admin")
		for j, track := range k.Tracks {
			c.want(trackName.MatchString(track), fmt.Sprintf("%s.tracks[%d]", at, j), "%q is no name of a track", track)
		}
	}
}

// initials holds the rules of tracks whose versions are initial adapters.
func (c *checker) initials(config Config) {
	at := map[string]Update{"update": config.Update}
	for name, t := range config.Tracks {
		at["tracks."+name+".update"] = t.Update
	}
	for key, u := range at {
		c.want(u.Initial.Track == "" || u.Initial.Track != config.Router.Model && !slices.Contains(config.Router.Tracks, u.Initial.Track), key+".initial.track",
			"%q is named by router; want a track that nobody asks", u.Initial.Track)
	}
}

// router holds the rules of routed requests.
func (c *checker) router(config Config) {
	r := config.Router
	_, taken := config.Tracks[r.Model]
	c.want(trackName.MatchString(r.Model), "router.model", "want a name like that of a track, not %q", r.Model)
	c.want(!taken && r.Model != "default", "router.model", "%q is a track; want a name that none has", r.Model)
	for i, track := range r.Tracks {
		c.want(trackName.MatchString(track) && !slices.Contains(r.Tracks[:i], track), fmt.Sprintf("router.tracks[%d]", i), "%q is no name of a track, or there twice", track)
	}
}

func (c *checker) update(u Update, at string, maxRank int) {
	zone, err := schedule.Zone(u.TimeZone)
	c.want(err == nil, at+".time_zone", "%v", err)
	if u.Schedule != "" {
		_, err := schedule.Parse(u.Schedule, zone)
		c.want(err == nil, at+".schedule", "%v", err)
	}
	near := u.Evidence.NearDuplicates
	c.want(near == 0 || near >= 0.6, at+".evidence.near_duplicates", "want 0, or 0.6 to 1: examples that are less alike are not found")
	c.want(len(u.Train.Modules) > 0, at+".train.modules", "want at least one")
	c.want(len(u.Train.Modules) == 1 || !slices.Contains(u.Train.Modules, "auto"), at+".train.modules", "want auto alone, or modules by name")
	_, err = u.Train.LayerNumbers()
	c.want(err == nil, at+".train.layers", "%v", err)
	initial := u.Initial.Track
	c.want(initial == "" || trackName.MatchString(initial) && initial != "default", at+".initial.track", "want a name like that of a track, not %q, and not default, which learns from its own traffic", initial)
	c.want(initial == "" || !slices.Contains(u.Train.Modules, "auto"), at+".initial.track", "want train.modules by name: tracks that begin with one adapter adapt the same ones")
	c.want(slices.IsSorted(u.Canary.Shares) && len(slices.Compact(slices.Clone(u.Canary.Shares))) == len(u.Canary.Shares), at+".canary.shares", "want shares that rise, such as [0.05, 0.25]")
	c.want(u.Canary.Patience >= u.Canary.Step, at+".canary.patience", "want at least update.canary.step, %s", u.Canary.Step)
	c.want(u.Train.Methods.EWCKeep == 0 || u.Train.Methods.EWCOn == "factors", at+".train.methods.ewc_keep", "want 0, or ewc_on: factors")
	c.want(u.Train.Teacher != "stored" || u.Train.KLShare > 0, at+".train.teacher", "want champion, or kl_share above 0: without it nobody teaches")
	m := u.Train.Methods
	c.want(m.Orthogonal == 0 || m.Slow == 0 && m.SI == 0 && m.EWCKeep == 0, at+".train.methods.orthogonal", "want 0, or slow, si and ewc_keep 0")
	c.want(m.Orthogonal == 0 || m.OrthogonalRank >= u.Train.Rank && m.OrthogonalRank <= maxRank, at+".train.methods.orthogonal_rank",
		"want at least train.rank, %d, and at most engine.max_rank, %d", u.Train.Rank, maxRank)
}

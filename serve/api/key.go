package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"nightshift/internal/registry"
)

// Roles of keys. An admin may do everything on the tracks of its key.
const (
	roleGenerate = "generate"
	roleFeedback = "feedback"
	roleEditor   = "editor" // what feedback may, and to say that it answers for it
	roleAdmin    = "admin"
)

// Key is an API key.
type Key struct {
	Name   string   `yaml:"name" doc:"Name of the API key in logs and metrics."`
	Key    string   `yaml:"key" secret:"true" doc:"The API key itself."`
	Hash   string   `yaml:"hash" doc:"sha256: and the hex sha256 of the API key."`
	Roles  []string `yaml:"roles" oneof:"generate,feedback,editor,special_tokens,admin" doc:"Roles of the API key: generate, feedback, editor, special_tokens, admin."`
	Tracks []string `yaml:"tracks" doc:"Tracks that the API key is for. Empty: all."`
}

var keyHash = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// Check implements config.Checker.
func (k Key) Check(report func(key, format string, args ...any)) {
	want := func(ok bool, key, format string, args ...any) {
		if !ok {
			report(key, format, args...)
		}
	}
	want((k.Key == "") != (k.Hash == ""), "", "want either key or hash")
	want(k.Hash == "" || keyHash.MatchString(k.Hash), "hash", "want sha256: and 64 hex digits")
	want(k.Key == "" || len(k.Key) >= 16, "key", "want at least 16 characters")
	want(len(k.Roles) > 0, "roles", "want at least one of generate, feedback, editor, special_tokens, admin")
	for i, track := range k.Tracks {
		want(registry.CheckTrack(track) == nil, fmt.Sprintf("tracks[%d]", i), "%q is no name of a track", track)
	}
}

// Hash returns the form of a key for the hash of Key.
func Hash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Matches compares in constant time.
func (k Key) Matches(presented string) bool {
	want := k.Hash
	if k.Key != "" {
		want = Hash(k.Key)
	}
	return want != "" && subtle.ConstantTimeCompare([]byte(want), []byte(Hash(presented))) == 1
}

// caller is who asks.
type caller struct {
	name   string
	roles  []string
	tracks []string // empty: all
}

// has reports whether the caller has a role.
func (k caller) has(role string) bool {
	return slices.Contains(k.roles, role) || slices.Contains(k.roles, roleAdmin)
}

// rates reports whether the caller may give feedback on answers without their tokens.
func (k caller) rates() bool { return k.has(roleFeedback) || k.has(roleEditor) }

// sees reports whether the caller's scope holds a track.
func (k caller) sees(track string) bool {
	return len(k.tracks) == 0 || slices.Contains(k.tracks, track)
}

// may checks scope for a track.
func (k caller) may(track string) error {
	if !k.sees(track) {
		return forbidden("track_not_allowed", "this API key is not for track %q", clip(track))
	}
	return nil
}

// identify finds the caller by the Authorization header; known is false when there is none. Every key is compared, in
// constant time, whether or not one has matched.
func (s *Server) identify(c *fiber.Ctx) (who caller, known bool, err error) {
	if len(s.cfg.Keys) == 0 {
		return caller{name: "local", roles: []string{roleAdmin}}, true, nil
	}
	header := strings.Clone(c.Get(fiber.HeaderAuthorization))
	if header == "" {
		return caller{}, false, nil
	}
	scheme, presented, _ := strings.Cut(header, " ")
	found := -1
	for i, k := range s.cfg.Keys {
		if k.Matches(strings.TrimSpace(presented)) {
			found = i
		}
	}
	if found < 0 || !strings.EqualFold(scheme, "Bearer") {
		return caller{}, false, &Problem{Status: 401, Type: typeKey, Code: "invalid_api_key", Message: "the API key is not known; send a configured one as Authorization: Bearer KEY"}
	}
	return callerOf(s.cfg.Keys[found]), true, nil
}

func callerOf(k Key) caller {
	return caller{name: k.Name, roles: k.Roles, tracks: k.Tracks}
}

// authorize is identify for routes that need a role.
func (s *Server) authorize(c *fiber.Ctx, role string) (caller, error) {
	who, known, err := s.identify(c)
	if err != nil {
		return caller{}, err
	}
	if !known {
		return caller{}, &Problem{Status: 401, Type: typeKey, Code: "missing_api_key", Message: "an API key is needed; send it as Authorization: Bearer KEY"}
	}
	if role != "" && !who.has(role) {
		return caller{}, forbidden("role_missing", "this API key does not have the role %s", role)
	}
	return who, nil
}

// feedbackToken lets whoever holds it rate one answer: the track, and an HMAC-SHA256 over interaction and track.
func (s *Server) feedbackToken(interaction, track string) string {
	mac := hmac.New(sha256.New, s.cfg.Secret)
	mac.Write([]byte("feedback\x00" + interaction + "\x00" + track))
	return track + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// tokenTrack returns the track of a valid token for an interaction.
func (s *Server) tokenTrack(token, interaction string) (track string, ok bool) {
	i := strings.LastIndexByte(token, '.')
	if i < 0 {
		return "", false
	}
	track = token[:i]
	return track, hmac.Equal([]byte(token), []byte(s.feedbackToken(interaction, track)))
}

// clip keeps a client's text short enough for a message.
func clip(text string) string {
	if r := []rune(text); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return text
}

func unescapePath(raw string) (string, error) { return url.PathUnescape(raw) }

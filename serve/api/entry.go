package api

import (
	"bytes"
	"fmt"
	"mime"
	"net"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"nightshift/replaystore"
	"nightshift/serve/api/wire"
)

// Keys of a request's locals.
const (
	localRequestID = "request_id"
	localStream    = "stream" // when the head of a stream was ready
)

var plainRequestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// entry is what every request passes: its id, the checks that no route may skip, recovery from panics, the one error
// map, and the count.
func (s *Server) entry(c *fiber.Ctx) (err error) {
	begin := time.Now()
	id := strings.Clone(c.Get("X-Request-Id"))
	if !plainRequestID.MatchString(id) {
		id = replaystore.NewID()
	}
	c.Locals(localRequestID, id)
	c.Set("X-Request-Id", id)
	c.Set("X-Content-Type-Options", "nosniff")
	defer func() {
		if r := recover(); r != nil {
			s.log.Error("a handler panicked", "request_id", id, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			err = s.fail(c, &Problem{Status: 500, Type: typeServer, Code: "internal_error", Message: "the server failed to answer; the request id finds the reason in its log"})
		}
		s.finish(c, begin)
	}()
	if err := s.admit(c); err != nil {
		return s.fail(c, err)
	}
	c.Path(tidy(strings.Clone(c.Path())))
	if preflight(c) {
		return s.answerPreflight(c)
	}
	if err := c.Next(); err != nil {
		return s.fail(c, err)
	}
	return nil
}

// finish counts a request and gives its answer a deadline; a stream has its own, and is counted by the time to its head.
func (s *Server) finish(c *fiber.Ctx, begin time.Time) {
	end, stream := c.Locals(localStream).(time.Time)
	if !stream {
		end = time.Now()
		_ = c.Context().Conn().SetWriteDeadline(end.Add(s.cfg.WriteTimeout)) // a closed connection fails at the write
	}
	path := c.Route().Path
	status := c.Response().StatusCode()
	if path == "/" && c.Path() != "/" {
		path = "none"
	}
	s.metrics.answered(c.Method(), path, status, end.Sub(begin))
	s.log.Debug("a request was answered", "request_id", requestID(c), "method", c.Method(), "route", path, "status", status, "duration", end.Sub(begin))
}

func requestID(c *fiber.Ctx) string {
	id, _ := c.Locals(localRequestID).(string)
	return id
}

// admit refuses what no route may see: ambiguous framing, compressed bodies, pages of foreign origins, and, without
// keys, anybody who is not on this machine.
func (s *Server) admit(c *fiber.Ctx) error {
	if framedTwice(c.Request().Header.RawHeaders()) {
		c.Context().SetConnectionClose()
		return badRequest("bad_framing", "", "a request has either one Content-Length or one Transfer-Encoding: chunked")
	}
	if coding := c.Get(fiber.HeaderContentEncoding); coding != "" && !strings.EqualFold(coding, "identity") {
		return &Problem{Status: 415, Type: typeRequest, Code: "content_encoding", Message: "compressed bodies are not accepted; send the body without Content-Encoding"}
	}
	if len(s.cfg.Keys) == 0 {
		if ip := c.Context().RemoteIP(); !ip.IsLoopback() && !ip.IsUnspecified() {
			return forbidden("keys_required", "this server has no API keys and answers only its own machine; configure keys to open it")
		}
		// Not Hostname: that believes X-Forwarded-Host, which scripts can set. A client that names no host is no browser.
		if host := string(c.Context().Host()); !loopbackHost(host) && (host != "" || c.Context().Request.Header.IsHTTP11()) {
			return forbidden("host_not_allowed", "this server has no API keys and answers only under a loopback name such as localhost; configure keys to open it")
		}
	}
	return s.checkOrigin(c)
}

// framedTwice reports whether the header fields leave open where the body ends: both ways at once, one way twice, or a
// transfer coding other than chunked.
func framedTwice(raw []byte) bool {
	lengths, codings := 0, 0
	for line := range bytes.Lines(raw) {
		name, content, found := bytes.Cut(line, []byte(":"))
		if !found {
			continue
		}
		switch strings.ToLower(strings.TrimSpace(string(name))) {
		case "content-length":
			lengths++
		case "transfer-encoding":
			if codings++; !strings.EqualFold(strings.TrimSpace(string(content)), "chunked") {
				return true
			}
		}
	}
	return lengths+codings > 1
}

// loopbackHost reports whether a Host header names this machine: pages elsewhere cannot make a browser send that by
// pointing their own name here.
func loopbackHost(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.Trim(name, "[]")
	if strings.EqualFold(name, "localhost") || strings.HasSuffix(strings.ToLower(name), ".localhost") {
		return true
	}
	ip := net.ParseIP(name)
	return ip != nil && ip.IsLoopback()
}

// checkOrigin refuses browser pages that are neither served by this server nor configured, and lets the others read.
func (s *Server) checkOrigin(c *fiber.Ctx) error {
	origin := strings.Clone(c.Get(fiber.HeaderOrigin))
	if len(s.cfg.Origins) > 0 {
		c.Vary(fiber.HeaderOrigin)
	}
	if origin == "" || origin == "http://"+c.Hostname() || origin == "https://"+c.Hostname() {
		return nil
	}
	if !slices.Contains(s.cfg.Origins, origin) && !slices.Contains(s.cfg.Origins, "*") {
		return forbidden("origin_not_allowed", "pages of this origin may not call this server; add it to cors.origins")
	}
	c.Set(fiber.HeaderAccessControlAllowOrigin, origin)
	c.Set(fiber.HeaderAccessControlExposeHeaders, strings.Join([]string{"X-Request-Id", wire.HeaderAdapter, wire.HeaderInteraction, wire.HeaderFeedback, wire.HeaderIgnored, fiber.HeaderRetryAfter}, ", "))
	return nil
}

func preflight(c *fiber.Ctx) bool {
	return c.Method() == fiber.MethodOptions && c.Get(fiber.HeaderOrigin) != "" && c.Get(fiber.HeaderAccessControlRequestMethod) != ""
}

// answerPreflight answers an allowed origin's question what it may send.
func (s *Server) answerPreflight(c *fiber.Ctx) error {
	c.Set(fiber.HeaderAccessControlAllowMethods, "GET, POST, DELETE")
	// Clients of the OpenAI API send headers of their own, such as X-Stainless-Lang: what is asked for is allowed, because
	// no header but Authorization means anything here and credentials are not.
	c.Set(fiber.HeaderAccessControlAllowHeaders, "Authorization, Content-Type, X-Request-Id")
	if asked := strings.Clone(c.Get(fiber.HeaderAccessControlRequestHeaders)); headerList.MatchString(asked) {
		c.Set(fiber.HeaderAccessControlAllowHeaders, asked)
	}
	c.Set(fiber.HeaderAccessControlMaxAge, "600")
	return c.SendStatus(fiber.StatusNoContent)
}

var headerList = regexp.MustCompile(`^[A-Za-z0-9-]+( *, *[A-Za-z0-9-]+)*$`)

// body returns a copy of a JSON request's body.
func (s *Server) body(c *fiber.Ctx) ([]byte, error) {
	kind, params, err := mime.ParseMediaType(strings.Clone(c.Get(fiber.HeaderContentType)))
	charset := strings.ToLower(params["charset"]) // many clients leave the hyphen out
	if err != nil || kind != "application/json" || charset != "" && charset != "utf-8" && charset != "utf8" {
		return nil, &Problem{Status: 415, Type: typeRequest, Code: "content_type", Message: "the body must be JSON in UTF-8, with Content-Type: application/json"}
	}
	return bytes.Clone(c.BodyRaw()), nil
}

// optionalBody is body for routes whose body may be left out; then it is an empty object.
func (s *Server) optionalBody(c *fiber.Ctx) ([]byte, error) {
	if len(c.BodyRaw()) == 0 {
		return []byte("{}"), nil
	}
	return s.body(c)
}

// param returns a copy of a part of the path, with escapes resolved.
func param(c *fiber.Ctx, name string) (string, error) {
	raw := c.Params(name)
	if !strings.ContainsRune(raw, '%') {
		return strings.Clone(raw), nil
	}
	decoded, err := unescapePath(raw)
	if err != nil {
		return "", badRequest("invalid_path", "", "the address has an escape that is not valid")
	}
	return decoded, nil
}

// sendJSON writes a value.
func sendJSON(c *fiber.Ctx, status int, v any) error {
	data, err := replaystore.EncodeJSON(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	c.Status(status)
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return c.Send(data)
}

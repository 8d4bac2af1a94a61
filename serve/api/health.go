package api

import (
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"nightshift/serve/api/wire"
)

// livez says that the process answers.
func (s *Server) livez(c *fiber.Ctx) error {
	return sendJSON(c, fiber.StatusOK, wire.Liveness{Status: "ok"})
}

func notReady(reasons []string) *Problem {
	return &Problem{Status: fiber.StatusServiceUnavailable, Type: typeUnavailable, Code: "not_ready", Message: strings.Join(reasons, "; "), Retry: time.Second}
}

// readyz says whether the model serves. What is degraded (a store that lags, a version that was refused) is told and is
// no reason to take the server out of service.
func (s *Server) readyz(c *fiber.Ctx) error {
	c.Set(fiber.HeaderCacheControl, "no-store")
	reasons, degraded := s.deps.Admin.Ready(c.Context())
	if len(reasons) > 0 {
		return notReady(reasons)
	}
	r := wire.Readiness{Status: "ready", Degraded: []string{}}
	if len(degraded) > 0 {
		r.Status, r.Degraded = "degraded", degraded
	}
	return sendJSON(c, fiber.StatusOK, r)
}

// health is readyz for whoever looks where other servers have it.
func (s *Server) health(c *fiber.Ctx) error {
	c.Set(fiber.HeaderCacheControl, "no-store")
	if reasons, _ := s.deps.Admin.Ready(c.Context()); len(reasons) > 0 {
		return notReady(reasons)
	}
	return s.livez(c)
}

// version says which version of the program this is.
func (s *Server) version(c *fiber.Ctx) error {
	return sendJSON(c, fiber.StatusOK, wire.Version{Version: s.deps.Admin.Status(c.Context()).Version})
}

// status is for the console: any key may see it.
func (s *Server) status(c *fiber.Ctx) error {
	who, err := s.authorize(c, "")
	if err != nil {
		return err
	}
	st := s.deps.Admin.Status(c.Context())
	st.Auth, st.Roles = "keys", who.roles
	if len(s.cfg.Keys) == 0 {
		st.Auth = "none"
	}
	return sendJSON(c, fiber.StatusOK, st)
}

// staticHandler serves a file, or 304 to a browser that has it.
func staticHandler(f StaticFile) fiber.Handler {
	return func(c *fiber.Ctx) error {
		for name, content := range f.Headers {
			c.Set(name, content)
		}
		if f.ETag != "" {
			c.Set(fiber.HeaderETag, f.ETag)
			if c.Get(fiber.HeaderIfNoneMatch) == f.ETag {
				return c.SendStatus(fiber.StatusNotModified)
			}
		}
		return c.Send(f.Body)
	}
}

package api

import (
	_ "embed"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// OpenAPI is the description of the API, OpenAPI 3.1, written by hand.
//
//go:embed openapi.json
var OpenAPI []byte

func (s *Server) openapi(c *fiber.Ctx) error {
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	c.Set(fiber.HeaderCacheControl, "no-cache")
	return c.Send(OpenAPI)
}

func (s *Server) docs(c *fiber.Ctx) error {
	if path, _, _ := strings.Cut(c.OriginalURL(), "?"); strings.HasSuffix(path, "/") {
		return c.Redirect("../docs", fiber.StatusPermanentRedirect) // the page's links are relative to its address
	}
	page := docsPage()
	c.Set(fiber.HeaderContentType, "text/html; charset=utf-8")
	c.Set(fiber.HeaderCacheControl, "no-cache")
	c.Set("Content-Security-Policy", page.policy)
	c.Set("Referrer-Policy", "no-referrer")
	return c.Send(page.html)
}

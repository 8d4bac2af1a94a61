package api

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// oneSlash makes the target of a request begin with one slash, before anything reads it. A target that begins with two is read as the
// name of a host where it holds :// as well, and then the host that was really asked for is not seen.
func oneSlash(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	if target := h.RequestURI(); bytes.HasPrefix(target, []byte("//")) {
		h.SetRequestURIBytes(append([]byte("/"), bytes.TrimLeft(target, "/")...))
	}
	return fasthttp.RequestConfig{} // what is 0 is as configured
}

var slashes = regexp.MustCompile("//+")

// tidy takes what clients' base addresses leave behind out of a path: slashes next to each other and at the end.
func tidy(path string) string {
	if strings.Contains(path, "//") {
		path = slashes.ReplaceAllString(path, "/")
	}
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	return path
}

// nothingHere is the problem of an address that does not exist. Where a route is meant, because /v1 is missing, given twice or behind
// something else, it is named.
func (s *Server) nothingHere(c *fiber.Ctx) *Problem {
	path := tidy(strings.Clone(c.Path()))
	for _, candidate := range append([]string{"/v1" + path}, endings(path)...) {
		for _, r := range s.table {
			if !fiber.RoutePatternMatch(candidate, r.path, s.app.Config()) {
				continue
			}
			if strings.HasPrefix(candidate, "/v1/") {
				return notFound("route_not_found", "", "there is nothing at %s; %s is an address of this server: the base URL of an OpenAI client ends in /v1", clip(path), clip(candidate))
			}
			return notFound("route_not_found", "", "there is nothing at %s; %s is an address of this server", clip(path), clip(candidate))
		}
	}
	return notFound("route_not_found", "", "there is nothing at %s; /docs lists what there is", clip(path))
}

// maxPrefix bounds what a client can have put before an address, in parts of a path.
const maxPrefix = 4

// endings are what is left of a path without its first parts.
func endings(path string) (list []string) {
	for at := 1; at < len(path) && len(list) < maxPrefix; at++ {
		if path[at] == '/' {
			list = append(list, path[at:])
		}
	}
	return list
}

// otherMethods is the problem of an address that takes other methods than the request's.
func otherMethods(c *fiber.Ctx) *Problem {
	return &Problem{Status: fiber.StatusMethodNotAllowed, Type: typeRequest, Code: "method_not_allowed",
		Message: fmt.Sprintf("this address takes %s, not %s", c.GetRespHeader(fiber.HeaderAllow), clip(strings.Clone(c.Method())))}
}

package api

import (
	"fmt"
	"net/url"
)

// CORS says which pages may call from a browser.
type CORS struct {
	Origins []string `yaml:"origins" doc:"Origins, such as https://shop.example, whose pages may call the API from a browser. * for all."`
}

// Check implements config.Checker.
func (c CORS) Check(report func(key, format string, args ...any)) {
	for i, origin := range c.Origins {
		u, err := url.Parse(origin)
		ok := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && origin == u.Scheme+"://"+u.Host
		if !ok && origin != "*" {
			report(fmt.Sprintf("origins[%d]", i), "want * or scheme and host such as https://shop.example, not %q", origin)
		}
	}
}

package serve_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"nightshift/serve"
	"nightshift/serve/api"
)

// exchange sends bytes on a connection of its own and returns what comes back until the server closes it.
func (h *house) exchange(request string) string {
	h.t.Helper()
	conn, err := net.Dial("tcp", h.addr)
	must(h.t, err)
	defer conn.Close() //nolint:errcheck // only read
	_, err = io.WriteString(conn, request)
	must(h.t, err)
	data, err := io.ReadAll(conn)
	must(h.t, err)
	return string(data)
}

// TestHead wants of every address that takes GET the same head for HEAD, and no body.
func TestHead(t *testing.T) {
	h := open(t, options{})
	for _, path := range []string{"/", "/livez", "/readyz", "/metrics", "/openapi.json", "/docs", "/v1/status", "/v1/models", "/v1/models/default", "/v1/models/nope", "/v1/tracks",
		"/v1/adapters", "/v1/nights", "/console/api.js"} {
		get, head := h.get(path), h.do("HEAD", path, "")
		if head.status != get.status || head.header.Get("Content-Type") != get.header.Get("Content-Type") || len(head.body) != 0 || len(get.body) == 0 {
			t.Errorf("%s: HEAD %d %q with %d bytes, GET %d %q", path, head.status, head.header.Get("Content-Type"), len(head.body), get.status, get.header.Get("Content-Type"))
		}
	}
	if r := h.do("HEAD", "/v1/feedback", ""); r.status != 405 || !strings.Contains(r.header.Get("Allow"), "POST") {
		t.Errorf("HEAD of an address without GET: status %d, Allow %q", r.status, r.header.Get("Allow"))
	}
	if r := h.get("/v1/feedback"); !strings.Contains(string(r.body), "this address takes POST, not GET") {
		t.Errorf("GET of an address without it: %s", r.body)
	}
	// A stream is not begun: its head comes at once.
	if got := h.exchange("HEAD /v1/nights/nope/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 404") {
		t.Errorf("HEAD of a stream that does not exist: %q", got)
	}
}

// TestSlashes accepts what base addresses leave behind in a path.
func TestSlashes(t *testing.T) {
	h := open(t, options{})
	for _, path := range []string{"/v1/models/", "//v1/models", "/v1//models", "///v1///models///", "/v1/models/?x=1", "//v1/models?x=a//b", "/v1/models/default/"} {
		if r := h.get(path); r.status != 200 {
			t.Errorf("%s: status %d, %s", path, r.status, r.body)
		}
	}
	if r := h.post("/v1/chat/completions/", `{"model":"default","max_tokens":2,"messages":[{"role":"user","content":"hi"}]}`); r.status != 200 {
		t.Errorf("a chat with a slash at the end: status %d, %s", r.status, r.body)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Get(h.url + "/docs/")
	must(t, err)
	must(t, res.Body.Close())
	if at, err := res.Location(); err != nil || at.String() != h.url+"/docs" {
		t.Errorf("/docs/, whose links are relative, leads to %v, %v", at, err)
	}
	// An escaped slash belongs to a name.
	if r := h.get("/v1/models/default%2F"); r.status != 404 {
		t.Errorf("an escaped slash: status %d, %s", r.status, r.body)
	}
}

// TestNothingHere names the address that is meant.
func TestNothingHere(t *testing.T) {
	h := open(t, options{})
	for path, want := range map[string]string{
		"/chat/completions":        "/v1/chat/completions",
		"/models/default":          "/v1/models/default",
		"/v1/v1/chat/completions":  "/v1/chat/completions",
		"/api/v1/chat/completions": "/v1/chat/completions",
		"/v1/readyz":               "/readyz",
		"//completions/":           "/v1/completions",
	} {
		r := h.post(path, "{}")
		if code, _, message := r.problem(t); r.status != 404 || code != "route_not_found" || !strings.Contains(message, want+" is") {
			t.Errorf("%s: status %d, %s; want a hint at %s", path, r.status, r.body, want)
		}
	}
	for _, path := range []string{"/nope", "/v1/nope", "/v1", "/" + strings.Repeat("a/", 4000) + "chat/completions"} {
		if _, _, message := h.get(path).problem(t); !strings.Contains(message, "/docs lists") || len(message) > 200 {
			t.Errorf("%.30s: %s", path, message)
		}
	}
}

// TestHostBehindSlashes asks under a foreign name, as a page does whose name leads to this machine, with a target that could be
// taken for one that names its host.
func TestHostBehindSlashes(t *testing.T) {
	h := open(t, options{})
	for _, target := range []string{"//localhost/v1/models?x=://", "///localhost/v1/models?x=://", "//localhost/v1/models", "/v1/models?x=http://localhost/"} {
		if got := h.exchange("GET " + target + " HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"); !strings.Contains(got, "host_not_allowed") {
			t.Errorf("%s with a foreign host is answered %.300q", target, got)
		}
	}
	if got := h.exchange("GET /v1/models HTTP/1.0\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 200") {
		t.Errorf("a client that names no host is answered %.300q", got)
	}
}

// TestOldStream sends a stream to a client of HTTP/1.0, for whom it ends with the connection.
func TestOldStream(t *testing.T) {
	h := open(t, options{cfg: func(c *serve.Config) {
		c.API.Keys = []api.Key{key("writer", nil, "generate")}
		c.API.Origins = []string{"https://shop.example"}
	}})
	const body = `{"model":"default","prompt":"the quick","max_tokens":20,"seed":4,"stream":true}`
	head := "Host: localhost\r\nAuthorization: Bearer key-of-writer\r\nContent-Type: application/json\r\nOrigin: https://shop.example\r\n"
	ask := func(protocol, more, body string) (*http.Response, string) {
		got := h.exchange("POST /v1/completions " + protocol + "\r\n" + head + more + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
		res, err := http.ReadResponse(bufio.NewReader(strings.NewReader(got)), nil)
		must(t, err)
		data, err := io.ReadAll(res.Body)
		must(t, err)
		must(t, res.Body.Close())
		return res, string(data)
	}
	texts := func(stream string) (all string) {
		list := events(strings.NewReader(stream))
		if len(list) < 3 || list[len(list)-1].data != "[DONE]" {
			t.Fatalf("a stream of %d events: %q", len(list), stream)
		}
		for _, e := range list[:len(list)-1] {
			var a answer
			must(t, json.Unmarshal([]byte(e.data), &a))
			all += a.Choices[0].Text
		}
		return all
	}
	new, newBody := ask("HTTP/1.1", "Connection: close\r\n", body)
	want := texts(newBody)
	for _, connection := range []string{"", "Connection: keep-alive\r\n"} {
		old, oldBody := ask("HTTP/1.0", connection, body)
		if old.StatusCode != 200 || len(old.TransferEncoding) > 0 || old.ContentLength >= 0 || !old.Close {
			t.Errorf("a stream by HTTP/1.0: status %d, coding %v, length %d, closes %v", old.StatusCode, old.TransferEncoding, old.ContentLength, old.Close)
		}
		if got := texts(oldBody); got != want {
			t.Errorf("by HTTP/1.0 %q, by HTTP/1.1 %q", got, want)
		}
		for name := range new.Header {
			if old.Header.Get(name) == "" {
				t.Errorf("by HTTP/1.0 the header %s is missing", name)
			}
		}
	}
	if res, data := ask("HTTP/1.0", "", `{"model":"default"}`); res.StatusCode != 400 || !strings.Contains(data, "missing_field") {
		t.Errorf("a refusal by HTTP/1.0: status %d, %s", res.StatusCode, data)
	}
	h.await("no stream is open", func() bool {
		return strings.Contains(string(h.get("/metrics").body), "nightshift_streams 0")
	})
}

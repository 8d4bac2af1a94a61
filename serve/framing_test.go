package serve_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"nightshift/internal/engine"
	"nightshift/serve"
)

// raw sends bytes on a connection of its own and returns what comes back until the server closes it or falls silent.
func (h *house) raw(request string) string {
	h.t.Helper()
	conn, err := net.Dial("tcp", h.addr)
	must(h.t, err)
	defer conn.Close() //nolint:errcheck // only read
	_, err = io.WriteString(conn, request)
	must(h.t, err)
	must(h.t, conn.SetReadDeadline(time.Now().Add(hang)))
	first := make([]byte, 1)
	_, err = io.ReadFull(conn, first)
	must(h.t, err)
	must(h.t, conn.SetReadDeadline(time.Now().Add(300*time.Millisecond)))
	rest, _ := io.ReadAll(conn) // ends with the deadline where the server keeps the connection
	return string(first) + string(rest)
}

// TestSmuggling sends requests whose end a proxy could see elsewhere. None of them may be answered as sound, and never
// may what is hidden behind them be answered.
func TestSmuggling(t *testing.T) {
	h := open(t, options{})
	const hidden = "GET /v1/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
	post := "POST /v1/tracks/default/hold HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	for name, request := range map[string]string{
		"length and chunked":       post + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		"chunked and length":       post + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + hidden,
		"two lengths":              post + "Content-Length: 2\r\nContent-Length: 6\r\n\r\n{}" + hidden,
		"two equal lengths":        post + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}" + hidden,
		"list of lengths":          post + "Content-Length: 2, 2\r\n\r\n{}" + hidden,
		"signed length":            post + "Content-Length: +2\r\n\r\n{}" + hidden,
		"hex length":               post + "Content-Length: 0x2\r\n\r\n{}" + hidden,
		"two codings":              post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + hidden,
		"unknown coding":           post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + hidden,
		"coding before chunked":    post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + hidden,
		"space before the colon":   post + "Content-Length : 2\r\n\r\n{}" + hidden,
		"coding with a space":      post + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + hidden,
		"folded line":              post + "X: a\r\n Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}" + hidden,
		"chunk size with sign":     post + "Transfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n" + hidden,
		"chunk without line end":   post + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}X0\r\n\r\n" + hidden,
		"control byte in a header": post + "X-A: a\x00b\r\nContent-Length: 2\r\n\r\n{}" + hidden,
	} {
		t.Run(name, func(t *testing.T) {
			h := *h
			h.t = t
			answer := h.raw(request)
			status, _, _ := strings.Cut(answer, "\r\n")
			if !strings.HasPrefix(status, "HTTP/1.1 4") {
				t.Errorf("answered %q, want a refusal", status)
			}
			if n := strings.Count(answer, "HTTP/1.1 "); n != 1 {
				t.Errorf("%d answers, want one:\n%s", n, answer)
			}
		})
	}
	if got := h.raw(post + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 200") {
		t.Errorf("a chunked request is answered %q", got)
	}
}

// TestDisconnect closes the connection of requests that would take long and wants their slots back.
func TestDisconnect(t *testing.T) {
	h := open(t, options{engine: engine.Config{Slots: 1}, cfg: func(c *serve.Config) { c.API.KeepAlive = 5 * time.Millisecond }})
	for _, stream := range []string{"false", "true"} {
		const n = 10 // answers of each: they take longer than a busy machine takes to let all three in
		body := fmt.Sprintf(`{"model":"default","prompt":"a","max_tokens":250,"ignore_eos":true,"n":%d,"seed":3,"stream":%s}`, n, stream)
		before := h.engine.Stats().Cancelled
		var conns []net.Conn
		for range 3 { // one generates, two wait
			conn, err := net.Dial("tcp", h.addr)
			must(t, err)
			req, err := http.NewRequest("POST", h.url+"/v1/completions", strings.NewReader(body))
			must(t, err)
			req.Header.Set("Content-Type", "application/json")
			must(t, req.Write(conn))
			conns = append(conns, conn)
		}
		h.await("all are admitted", func() bool { s := h.engine.Stats(); return s.Active == 1 && s.Waiting >= 2*n })
		if stream == "true" { // the head is there while nothing has been generated for the waiting ones
			line, err := bufio.NewReader(conns[2]).ReadString('\n')
			if err != nil || !strings.Contains(line, "200") {
				t.Errorf("the head of a waiting stream: %q, %v", line, err)
			}
		}
		for _, conn := range conns {
			must(t, conn.Close())
		}
		h.await("the slots are free", func() bool {
			s := h.engine.Stats()
			return s.Active == 0 && s.Waiting == 0 && s.Cancelled >= before+2*n
		})
	}
	if a := h.ask("default", "and now?"); a.Usage == nil {
		t.Error("no answer after disconnects")
	}
}

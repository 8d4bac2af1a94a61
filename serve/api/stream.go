package api

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"runtime/debug"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"nightshift/replaystore"
	"nightshift/serve/api/wire"
)

// events writes server-sent events to one client. Each event is flushed at once; the first write that fails cancels the
// request, which is the only sign of a client that has gone.
type events struct {
	w       *bufio.Writer
	conn    net.Conn
	timeout time.Duration
	cancel  context.CancelFunc
	err     error
}

// write sends raw bytes with a deadline of their own.
func (e *events) write(parts ...string) error {
	if e.err != nil {
		return e.err
	}
	_ = e.conn.SetWriteDeadline(time.Now().Add(e.timeout)) // a closed connection fails at the flush
	for _, p := range parts {
		if _, err := e.w.WriteString(p); err != nil {
			return e.failed(err)
		}
	}
	if err := e.w.Flush(); err != nil {
		return e.failed(err)
	}
	return nil
}

func (e *events) failed(err error) error {
	e.err = fmt.Errorf("write event: %w", err)
	e.cancel()
	return e.err
}

// send writes an event; an empty name is the default one.
func (e *events) send(name string, v any) error {
	data, err := replaystore.EncodeJSON(v)
	if err != nil {
		return e.failed(err)
	}
	if name == "" {
		return e.write("data: ", string(data), "\n\n")
	}
	return e.write("event: ", name, "\ndata: ", string(data), "\n\n")
}

// comment keeps an idle connection alive, and finds out whether it is.
func (e *events) comment() error { return e.write(": keep-alive\n\n") }

// events answers with a stream that run writes. It is the only place that writes streams: a panic in a body stream writer would
// end the process, so it is caught here. cancel ends the request's context when the stream is over.
func (s *Server) events(c *fiber.Ctx, cancel context.CancelFunc, run func(e *events)) error {
	c.Set(fiber.HeaderContentType, "text/event-stream; charset=utf-8")
	c.Set(fiber.HeaderCacheControl, "no-cache, no-transform")
	c.Set("X-Accel-Buffering", "no")
	head := time.Now()
	c.Locals(localStream, head)
	id := requestID(c)
	conn := c.Context().Conn()
	_ = conn.SetWriteDeadline(head.Add(s.cfg.WriteTimeout)) // a closed connection fails at the flush
	body := func(w *bufio.Writer) {
		e := &events{w: w, conn: conn, timeout: s.cfg.WriteTimeout, cancel: cancel}
		s.metrics.streams.WithLabelValues().Inc()
		defer s.metrics.streams.WithLabelValues().Dec()
		defer cancel()
		defer func() {
			if r := recover(); r != nil {
				s.log.Error("a stream panicked", "request_id", id, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
				s.failStream(e, fmt.Errorf("stream: %v", r), id)
			}
		}()
		run(e)
	}
	switch {
	case c.Method() == fiber.MethodHead:
		cancel()
	case c.Context().Request.Header.IsHTTP11():
		c.Context().Response.ImmediateHeaderFlush = true
		c.Context().SetBodyStreamWriter(body)
	default:
		untilClosed(c.Context(), body)
	}
	return nil
}

// untilClosed writes a stream to a client of HTTP/1.0, which knows no chunks: the stream ends with its connection. fasthttp would
// send chunks, so it is left out, and closes the connection when the handler has returned.
func untilClosed(ctx *fasthttp.RequestCtx, body func(w *bufio.Writer)) {
	ctx.Response.Header.SetContentLength(-2) // neither a length nor chunks
	w := bufio.NewWriter(ctx.Conn())
	_, _ = w.Write(ctx.Response.Header.Header())
	_ = w.Flush() // an error stays, and the first event meets it
	body(w)
	ctx.HijackSetNoResponse(true)
	ctx.Hijack(func(net.Conn) {})
}

// failStream tells an error inside a stream that has begun.
func (s *Server) failStream(e *events, err error, requestID string) {
	if e.err != nil {
		return // nobody listens
	}
	_ = e.send("", wire.Failure{Error: s.streamProblem(err, requestID).body().Error}) // a write that fails has cancelled the request
}

// streamProblem is the problem of an error inside a stream, which goes to the log where it is the server's.
func (s *Server) streamProblem(err error, requestID string) *Problem {
	p := problemOf(err)
	if p.Status >= 500 && p.cause != nil {
		s.log.Error("a stream failed", "request_id", requestID, "status", p.Status, "error", p.cause)
	}
	return p
}

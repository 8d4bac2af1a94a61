package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"nightshift/internal/engine"
	"nightshift/internal/registry"
	"nightshift/replaystore"
	"nightshift/serve/api/wire"
)

// Types of errors, as OpenAI's clients know them and ours.
const (
	typeRequest     = "invalid_request_error"
	typeKey         = "authentication_error"
	typePermission  = "permission_error"
	typeNotFound    = "not_found_error"
	typeConflict    = "conflict_error"
	typeRate        = "rate_limit_error"
	typeServer      = "server_error"
	typeUnavailable = "unavailable_error"
)

// Problem is an answer that is not a success.
type Problem struct {
	Status  int
	Type    string
	Code    string // "" is null
	Param   string // "" is null
	Message string
	Retry   time.Duration // Retry-After, 0 is none
	cause   error         // logged, not told
}

// Error is the message.
func (p *Problem) Error() string { return p.Message }

// Unwrap is the cause that the client is not told.
func (p *Problem) Unwrap() error { return p.cause }

// badRequest is a 400 about a field.
func badRequest(code, param, format string, args ...any) *Problem {
	return &Problem{Status: fiber.StatusBadRequest, Type: typeRequest, Code: code, Param: param, Message: fmt.Sprintf(format, args...)}
}

// forbidden is a 403.
func forbidden(code, format string, args ...any) *Problem {
	return &Problem{Status: fiber.StatusForbidden, Type: typePermission, Code: code, Message: fmt.Sprintf(format, args...)}
}

// notFound is a 404.
func notFound(code, param, format string, args ...any) *Problem {
	return &Problem{Status: fiber.StatusNotFound, Type: typeNotFound, Code: code, Param: param, Message: fmt.Sprintf(format, args...)}
}

func (p *Problem) body() wire.Problem {
	e := wire.Error{Message: p.Message, Type: p.Type}
	if p.Param != "" {
		e.Param = &p.Param
	}
	if p.Code != "" {
		e.Code = &p.Code
	}
	return wire.Problem{Error: e, Type: "about:blank", Title: statusTitle(p.Status), Status: p.Status, Detail: p.Message}
}

func statusTitle(status int) string {
	if status == statusClientGone {
		return "Client Closed Request"
	}
	return fiber.NewError(status).Message
}

// statusClientGone is what is counted when the client left before its answer; nobody reads it.
const statusClientGone = 499

// problemOf is the one map from errors to statuses.
func problemOf(err error) *Problem {
	var (
		p        *Problem
		fe       *fiber.Error
		busy     *engine.BusyError
		prompt   *engine.PromptError
		invalid  *replaystore.InvalidError
		conflict *FeedbackConflictError
	)
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &fe):
		return frameworkProblem(fe)
	case errors.As(err, &busy):
		return &Problem{Status: 429, Type: typeRate, Code: "queue_full", Message: busy.Error(), Retry: busy.RetryAfter}
	case errors.As(err, &prompt):
		if prompt.Tokens > 0 {
			return badRequest("context_length_exceeded", "", "%s", prompt.Error())
		}
		return badRequest("invalid_prompt", "", "%s", prompt.Error())
	case errors.As(err, &invalid):
		return badRequest("invalid_value", "", "%s", invalid.Error())
	case errors.As(err, &conflict):
		return &Problem{Status: 409, Type: typeConflict, Code: "feedback_exists", Param: "id", Message: conflict.Error()}
	}
	return sentinelProblem(err)
}

// sentinelProblem maps the errors that are told apart by errors.Is.
func sentinelProblem(err error) *Problem {
	for _, m := range []struct {
		target     error
		status     int
		kind, code string
		retry      time.Duration
	}{
		{ErrUnavailable, 503, typeUnavailable, "unavailable", time.Second},
		{ErrUnknownModel, 404, typeNotFound, "model_not_found", 0},
		{ErrUnknownInteraction, 404, typeNotFound, "interaction_not_found", 0},
		{ErrNightRunning, 409, typeConflict, "night_running", 0},
		{ErrNoUpdater, 503, typeUnavailable, "no_updater", 0},
		{ErrRefused, 409, typeConflict, "version_refused", 0},
		{ErrNotReady, 503, typeUnavailable, "not_ready", time.Second},
		{engine.ErrClosed, 503, typeUnavailable, "shutting_down", time.Second},
		{replaystore.ErrClosed, 503, typeUnavailable, "shutting_down", time.Second},
		{registry.ErrConflict, 409, typeConflict, "activation_conflict", 0},
		{registry.ErrHeld, 409, typeConflict, "track_held", 0},
		{registry.ErrCorrupt, 409, typeConflict, "corrupted", 0},
		{registry.ErrExists, 409, typeConflict, "exists", 0},
		{registry.ErrDeclared, 409, typeConflict, "not_deletable", 0},
		{registry.ErrNotFound, 404, typeNotFound, "not_found", 0},
		{registry.ErrName, 404, typeNotFound, "not_found", 0},
		{registry.ErrRequest, 400, typeRequest, "invalid_value", 0},
		{context.Canceled, statusClientGone, typeUnavailable, "cancelled", 0},
		{context.DeadlineExceeded, 503, typeUnavailable, "timeout", time.Second},
	} {
		if errors.Is(err, m.target) {
			return &Problem{Status: m.status, Type: m.kind, Code: m.code, Message: err.Error(), Retry: m.retry, cause: err}
		}
	}
	return &Problem{Status: 500, Type: typeServer, Code: "internal_error", Message: "the server failed to answer; the request id finds the reason in its log", cause: err}
}

// frameworkProblem translates what Fiber and fasthttp refuse by themselves.
func frameworkProblem(fe *fiber.Error) *Problem {
	switch fe.Code {
	case 408:
		return &Problem{Status: 408, Type: typeRequest, Code: "request_timeout", Message: "the request took too long to arrive"}
	case 431:
		return &Problem{Status: 431, Type: typeRequest, Code: "headers_too_large", Message: "the request's headers are too large"}
	}
	if fe.Code >= 500 {
		return &Problem{Status: 400, Type: typeRequest, Code: "bad_http", Message: "the request could not be read", cause: fe}
	}
	return &Problem{Status: fe.Code, Type: typeRequest, Code: "bad_http", Message: "the request is not sound HTTP", cause: fe}
}

// fail writes a problem.
func (s *Server) fail(c *fiber.Ctx, err error) error {
	if fe := (*fiber.Error)(nil); errors.As(err, &fe) {
		switch fe.Code {
		case fiber.StatusNotFound:
			err = s.nothingHere(c)
		case fiber.StatusMethodNotAllowed:
			err = otherMethods(c)
		case fiber.StatusRequestEntityTooLarge:
			linger(c)
			err = &Problem{Status: fe.Code, Type: typeRequest, Code: "body_too_large", Message: fmt.Sprintf("the body is larger than %d bytes, the maximum that this server reads", s.cfg.BodyLimit)}
		default:
			linger(c) // fasthttp could not read the request, and closes the connection after this answer
		}
	}
	p := problemOf(err)
	if p.Status >= 500 && p.cause != nil {
		s.log.Error("a request failed", "request_id", requestID(c), "route", c.Route().Path, "status", p.Status, "error", p.cause)
	}
	if p.Retry > 0 {
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(int(math.Ceil(p.Retry.Seconds()))))
	}
	if p.Status == 401 {
		c.Set(fiber.HeaderWWWAuthenticate, `Bearer realm="nightshift"`)
	}
	data, err := json.Marshal(p.body())
	if err != nil {
		return fmt.Errorf("encode problem: %w", err)
	}
	c.Status(p.Status)
	c.Set(fiber.HeaderContentType, "application/problem+json")
	return c.Send(data)
}

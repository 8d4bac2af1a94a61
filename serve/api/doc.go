// Package api is the REST API: routes, requests, server-sent events and the one map from errors to statuses. It is the
// only package that knows Fiber.
//
// Invariants. A request body is refused unless all that it asks for is done: unknown and unsupported fields, wrong
// types, duplicate names, invalid UTF-8 and trailing data are named in the answer. What asks for nothing is accepted by the
// rules of fields.go, and what was ignored is named in X-Nightshift-Ignored. Every answer that is not a success is
// application/problem+json with an OpenAI-style error object inside. Nothing taken from Fiber outlives its handler
// uncopied. Only [Server.events] installs a body stream writer. A request keeps the version that it was pinned to from
// before its admission to its last token.
//
// It decides nothing about versions, storage or learning: what it needs is stated in the interfaces of contract.go. What
// travels is package wire.
package api

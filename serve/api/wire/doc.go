// Package wire is the JSON of the REST API: the types of what travels between server and clients, the names of the headers that
// go with it, and a reader of server-sent events. The server writes with these types and the program's own clients read with them.
//
// Invariants. A type has no methods that compute: it is what one JSON object holds, and the names, the order and the absence of
// its fields are part of the API. A pointer is null or left out where it is nil. Times are UTC.
//
// It is not the server: package api decodes requests by rules of its own, because it refuses what it does not know, and the
// request types here are what clients send. It imports nothing that serves or learns.
package wire

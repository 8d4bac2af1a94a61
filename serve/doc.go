// Package serve is the serving side: it runs the engine, keeps every track's champion in the adapter bank, records
// interactions and feedback, and answers the REST API of package api.
//
// Invariants. A version serves only after its bytes match its digest, it parses strictly, it fits the model, its values
// are finite and its self-test agrees; where any of that fails, what served before goes on serving and the failure is
// told in /readyz, the metrics and the log. A track's champion changes at once for all later requests and for no running
// one. What is written down has been redacted first.
//
// It never trains and never imports update: between the two there are the store, the registry and the control stream.
package serve

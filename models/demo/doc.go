// Package demo is the model that ships: the support desk of Fernridge
// Outfitters, a fictional outdoor shop. It holds the shop's facts, many ways
// to ask for each, several ways to answer, small talk and polite refusals,
// and a seeded generator that turns them into training dialogues.
//
// Invariants: everything is ASCII and deterministic (the same seed and
// options give the same dialogues on every machine); every question template
// belongs to exactly one Group, so that what is measured was never trained
// on; every fact's value differs from every other fact's value.
//
// It is not a tokenizer, a trainer or a chat-template engine, and it reads
// and writes files only to unpack the model that ships.
package demo

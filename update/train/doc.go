// Package train computes: it packs examples into batches, runs the training and scoring graphs, and moves flat
// parameter vectors with optimizers, schedules and regularizers that are small pure functions.
//
// Invariants. The same examples, options, seed, library build and thread count give the same parameters bit for bit.
// Graphs are never changed by a method: what a method needs it does to parameters, gradients, targets or weights.
//
// It selects no examples, judges no result and publishes nothing.
package train

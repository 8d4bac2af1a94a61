// Package continual measures how well methods learn one thing after another: it makes sequences of tasks and a stream
// without task boundaries from seeded generators, lets every method learn them on a small model of its own with equal
// optimizer steps and equal tokens, and keeps the whole matrix R of what was known of each task after each.
//
// Invariants. Scores are such that higher is better. What a task is scored on is never trained on: facts are split by
// what they are used for (the model's own training, tuning, measurement) and phrasings by who asks them (training,
// validation, test), and no two of these share one. The same options give the same figures bit for bit, on the same
// library build, whatever the number of workers.
//
// It changes no champion and knows no store: what a night does is in package update. Nothing here is for serving.
package continual

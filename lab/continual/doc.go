// Package continual measures how well methods learn one thing after another: it makes sequences of tasks and a stream
// without task boundaries from seeded generators, lets every method learn them on a small model of its own with equal
// optimizer steps and equal tokens, and keeps the whole matrix R of what was known of each task after each.
//
// Invariants. Scores are such that higher is better. What a task is scored on is never trained on: facts are split by
// what they are used for (the model's own training, tuning, measurement) and phrasings by who asks them (training,
// validation, test), and no two of these share one. The same options give the same figures bit for bit, on the same
// library build, whatever the number of workers.
//
// What is learned is facts: which value a subject's attribute has. They follow from nothing, so that who has not learned
// them, or has forgotten them, does not answer right but by chance, and joint training can learn them all. The score that
// decides is the share of answers that are right to the last token; next to it stands the mean log-probability of right answers, which
// also moves where nothing is right yet, and which a model that is sure of wrong answers can make as bad as it likes.
//
// Equal is what the optimizer gets: steps, and tokens of batches, in which replayed ones count. What a method computes
// beside it, such as a Fisher information or a teacher's answers, is not limited; a run's seconds say what it costs.
//
// It changes no champion and knows no store: what a night does is in package night, and what selection does with
// contradictions, or the gate with a bad candidate, is not in the figures here. Nothing here is for serving.
package continual

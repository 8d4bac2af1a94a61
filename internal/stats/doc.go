// Package stats has the statistics by which candidates are judged, methods compared and benchmarks read: quantiles, bootstraps, Student's
// t, intervals of proportions and the sign test.
//
// All functions are pure: randomness comes from a seed, the caller's values stay in their order, and the same input gives the same
// result bit for bit, on which stored verdicts rest. So what decides something is computed here; tests compare it with gonum, which
// may change the last bits from version to version.
//
// It knows nothing of models, examples or people, and draws no conclusions.
package stats

#include "softmax.h"

#include <math.h>
#include <string.h>

// A block is summed in 16 lanes, whatever the width of the processor's vectors, and no product is fused with a sum: Clang is told
// so here, GCC by -std=c11. So every processor computes the same bits.
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

enum { block = 64, lanes = 16 };

static float fold_max(const float *m) {
	float q[lanes];
	memcpy(q, m, sizeof q);
	for (int half = lanes / 2; half > 0; half /= 2)
		for (int j = 0; j < half; j++)
			q[j] = q[j + half] > q[j] ? q[j + half] : q[j];
	return q[0];
}

static float fold_sum(const float *s) {
	float q[lanes];
	memcpy(q, s, sizeof q);
	for (int half = lanes / 2; half > 0; half /= 2)
		for (int j = 0; j < half; j++)
			q[j] += q[j + half];
	return q[0];
}

// Vectors of four lanes, which every processor has.
#define WIDTH 4
#define NAME(x) x##_4
#define ALL(x) {x, x, x, x}
#define TARGET
#include "softmax_lanes.h"

#if defined(__x86_64__)
// Vectors of eight lanes where there are any.
#define WIDTH 8
#define NAME(x) x##_8
#define ALL(x) {x, x, x, x, x, x, x, x}
#define TARGET __attribute__((target("avx2")))
#include "softmax_lanes.h"
#endif

int ns_peaks(const float *logits, int64_t blocks, float *peaks, int widest) {
#if defined(__x86_64__)
	if (widest && __builtin_cpu_supports("avx2"))
		return peaks_8(logits, blocks, peaks);
#endif
	return peaks_4(logits, blocks, peaks);
}

void ns_weigh(const float *logits, int64_t blocks, float top, float scale, float *sums, float *terms, int widest) {
#if defined(__x86_64__)
	if (widest && __builtin_cpu_supports("avx2")) {
		weigh_8(logits, blocks, top, scale, sums, terms);
		return;
	}
#endif
	weigh_4(logits, blocks, top, scale, sums, terms);
}

void ns_above(const float *terms, int64_t blocks, float threshold, float *sums, int widest) {
#if defined(__x86_64__)
	if (widest && __builtin_cpu_supports("avx2")) {
		above_8(terms, blocks, threshold, sums);
		return;
	}
#endif
	above_4(terms, blocks, threshold, sums);
}

// What sampling asks of a row of logits, over whole blocks of 64. softmax.go says the same in Go, to the bit. widest is 0 for
// vectors of four lanes even where there are wider ones.

#include <stdint.h>

// ns_peaks writes the largest logit of each block and returns whether there is no NaN among all of them.
int ns_peaks(const float *logits, int64_t blocks, float *peaks, int widest);

// ns_weigh writes the sum of 2^((logit-top)*scale) of each block, and each term unless terms is null.
void ns_weigh(const float *logits, int64_t blocks, float top, float scale, float *sums, float *terms, int widest);

// ns_above writes the sum of those terms of each block that are at least threshold.
void ns_above(const float *terms, int64_t blocks, float threshold, float *sums, int widest);

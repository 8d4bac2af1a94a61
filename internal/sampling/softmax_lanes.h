// The loops for one width of vectors: WIDTH, NAME, ALL and TARGET say which. Included by softmax.c only.

typedef float NAME(any) __attribute__((vector_size(WIDTH * 4), aligned(4), may_alias));
typedef float NAME(vec) __attribute__((vector_size(WIDTH * 4)));
typedef int32_t NAME(bits) __attribute__((vector_size(WIDTH * 4)));

TARGET static int NAME(peaks)(const float *logits, int64_t blocks, float *peaks) {
	enum { parts = lanes / WIDTH };
	NAME(bits) odd[parts];
	memset(odd, 0, sizeof odd);
	for (int64_t b = 0; b < blocks; b++, logits += block) {
		NAME(vec) m[parts];
		for (int j = 0; j < parts; j++)
			m[j] = (NAME(vec))ALL(-INFINITY);
		for (int i = 0; i < block; i += lanes) {
			for (int j = 0; j < parts; j++) {
				NAME(vec) v = *(const NAME(any) *)(logits + i + j * WIDTH);
				NAME(bits) larger = v > m[j];
				odd[j] |= v != v;
				m[j] = (NAME(vec))((larger & (NAME(bits))v) | (~larger & (NAME(bits))m[j]));
			}
		}
		peaks[b] = fold_max((const float *)m);
	}
	int32_t any[lanes], found = 0;
	memcpy(any, odd, sizeof any);
	for (int j = 0; j < lanes; j++)
		found |= any[j];
	return !found;
}

TARGET static void NAME(weigh)(const float *logits, int64_t blocks, float top, float scale, float *sums, float *terms) {
	enum { parts = lanes / WIDTH };
	const NAME(vec) tops = ALL(top), scales = ALL(scale), magic = ALL(12582912.0f), low = ALL(-125.0f), c0 = ALL(1.0f),
		c1 = ALL(0.6931471805599453f), c2 = ALL(0.2402234903802036f), c3 = ALL(0.05550381013796457f),
		c4 = ALL(0.009666368515385448f), c5 = ALL(0.0013381302537320797f);
	for (int64_t b = 0; b < blocks; b++, logits += block) {
		NAME(vec) s[parts];
		memset(s, 0, sizeof s);
		for (int i = 0; i < block; i += lanes) {
			for (int j = 0; j < parts; j++) {
				NAME(vec) v = *(const NAME(any) *)(logits + i + j * WIDTH);
				NAME(vec) y = (v - tops) * scales;
				NAME(vec) t = y + magic;
				NAME(vec) f = y - (t - magic);
				NAME(vec) f2 = f * f;
				NAME(vec) p = ((c5 * f + c4) * f2 + (c3 * f + c2)) * f2 + (c1 * f + c0);
				p = (NAME(vec))(((NAME(bits))p + ((NAME(bits))t << 23)) & (y >= low));
				s[j] += p;
				if (terms)
					*(NAME(any) *)(terms + i + j * WIDTH) = p;
			}
		}
		if (terms)
			terms += block;
		sums[b] = fold_sum((const float *)s);
	}
}

TARGET static void NAME(above)(const float *terms, int64_t blocks, float threshold, float *sums) {
	enum { parts = lanes / WIDTH };
	const NAME(vec) bound = ALL(threshold);
	for (int64_t b = 0; b < blocks; b++, terms += block) {
		NAME(vec) s[parts];
		memset(s, 0, sizeof s);
		for (int i = 0; i < block; i += lanes) {
			for (int j = 0; j < parts; j++) {
				NAME(vec) v = *(const NAME(any) *)(terms + i + j * WIDTH);
				s[j] += (NAME(vec))((NAME(bits))v & (v >= bound));
			}
		}
		sums[b] = fold_sum((const float *)s);
	}
}

#undef WIDTH
#undef NAME
#undef ALL
#undef TARGET

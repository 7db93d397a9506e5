/* CRC folding by carry-less multiplication.
 *
 * A 16-byte block, read as a little-endian 128-bit word, is a reflected polynomial: bit i stands
 * for x^(127 - i), the low half H for the higher powers. In front of n further bits it counts as
 * H * x^(n + 64) + L * x^n, and modulo the CRC's polynomial each power of x is a constant of 64
 * bits: two multiplications carry a block over n bits, where the sum takes its place. Four blocks
 * go side by side, each over the 512 bits to its successor, so that no multiplication waits for
 * another. */
#include "hash/crc_priv.h"

#include <assert.h>
#include <smmintrin.h>
#include <wmmintrin.h>

static inline __m128i load(const uint8_t *p) {
    return _mm_loadu_si128((const __m128i *)p);
}

/* block carried over the distance of `by`, plus next. */
static inline __m128i fold(__m128i block, __m128i by, __m128i next) {
    __m128i first = _mm_clmulepi64_si128(block, by, 0x00);
    __m128i second = _mm_clmulepi64_si128(block, by, 0x11);
    return _mm_xor_si128(_mm_xor_si128(first, second), next);
}

void lb_crc_fold_clmul(const struct lb_crc *crc, uint64_t state, const uint8_t *p, size_t n,
                       uint8_t ret[16]) {
    assert(n >= LB_CRC_FOLD_MIN);
    __m128i by = load((const uint8_t *)crc->fold512);
    __m128i a = _mm_xor_si128(load(p), _mm_cvtsi64_si128((long long)state));
    __m128i b = load(p + 16), c = load(p + 32), d = load(p + 48);
    for (p += 64, n -= 4; n >= 4; p += 64, n -= 4) {
        a = fold(a, by, load(p));
        b = fold(b, by, load(p + 16));
        c = fold(c, by, load(p + 32));
        d = fold(d, by, load(p + 48));
    }
    by = load((const uint8_t *)crc->fold128);
    a = fold(fold(fold(a, by, b), by, c), by, d);
    for (; n; p += 16, n--)
        a = fold(a, by, load(p));
    _mm_storeu_si128((__m128i *)ret, a);
}

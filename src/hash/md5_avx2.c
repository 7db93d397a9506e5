/* MD5 of 8 streams side by side in AVX2 registers: lane l of every register belongs to stream l.
 * A block of each is loaded as two registers and each set of 8 is transposed. */
#include "hash/md5_priv.h"

#include <immintrin.h>

typedef __m256i md5_vec;

#define MD5_ADD(x, y) _mm256_add_epi32(x, y)
#define MD5_ROL(x, n) _mm256_or_si256(_mm256_slli_epi32(x, n), _mm256_srli_epi32(x, 32 - (n)))
#define MD5_SPREAD(k) _mm256_set1_epi32((int)(k))
#define MD5_NOT(x) _mm256_xor_si256(x, _mm256_set1_epi32(-1))
#define MD5_KEEP(x) __asm__("" : "+x"(x))
#define MD5_F(x, y, z) _mm256_xor_si256(_mm256_and_si256(_mm256_xor_si256(y, z), x), z)
#define MD5_G(x, y, z) _mm256_xor_si256(_mm256_and_si256(_mm256_xor_si256(x, y), z), y)
#define MD5_H(x, y, z) _mm256_xor_si256(x, _mm256_xor_si256(y, z))
#define MD5_I(x, y, z) _mm256_xor_si256(y, _mm256_or_si256(x, MD5_NOT(z)))

#include "hash/md5_rounds_priv.h"

/* Bytes at `at` of four lanes; 128-bit half h of ret[j] becomes their word 4h + j. */
static inline __attribute__((always_inline)) void load_rows(const uint8_t *const *data, size_t at,
                                                            __m256i ret[4]) {
    __m256i r0 = _mm256_loadu_si256((const __m256i *)(data[0] + at));
    __m256i r1 = _mm256_loadu_si256((const __m256i *)(data[1] + at));
    __m256i r2 = _mm256_loadu_si256((const __m256i *)(data[2] + at));
    __m256i r3 = _mm256_loadu_si256((const __m256i *)(data[3] + at));
    __m256i lo01 = _mm256_unpacklo_epi32(r0, r1), hi01 = _mm256_unpackhi_epi32(r0, r1);
    __m256i lo23 = _mm256_unpacklo_epi32(r2, r3), hi23 = _mm256_unpackhi_epi32(r2, r3);
    ret[0] = _mm256_unpacklo_epi64(lo01, lo23);
    ret[1] = _mm256_unpackhi_epi64(lo01, lo23);
    ret[2] = _mm256_unpacklo_epi64(hi01, hi23);
    ret[3] = _mm256_unpackhi_epi64(hi01, hi23);
}

/* The 8 message words that stand at `at` of every lane. */
static inline __attribute__((always_inline)) void load_words(const uint8_t *const *data, size_t at,
                                                             __m256i m[8]) {
    __m256i lo[4], hi[4];
    load_rows(data, at, lo);
    load_rows(data + 4, at, hi);
    for (int j = 0; j < 4; j++) {
        m[j] = _mm256_permute2x128_si256(lo[j], hi[j], 0x20);
        m[j + 4] = _mm256_permute2x128_si256(lo[j], hi[j], 0x31);
    }
}

void lb_md5_blocks_avx2(struct lb_md5_lane_state *st, const uint8_t *const *data, size_t n) {
    __m256i v[4];
    for (int i = 0; i < 4; i++)
        v[i] = _mm256_loadu_si256((const __m256i *)st->w[i]);
    for (size_t at = 0; at < n * LB_MD5_BLOCK; at += LB_MD5_BLOCK) {
        const uint32_t *sines = md5_sines;
        /* Else all 64 are spread before the loop and spill. */
        __asm__ volatile("" : "+r"(sines));
        __m256i m[16];
        load_words(data, at, m);
        load_words(data, at + LB_MD5_BLOCK / 2, m + 8);
        __m256i r[4] = {v[0], v[1], v[2], v[3]};
        md5_round_f(r, m, sines);
        md5_round_g(r, m, sines);
        md5_round_h(r, m, sines);
        md5_round_i(r, m, sines);
        md5_add(v, r);
    }
    for (int i = 0; i < 4; i++)
        _mm256_storeu_si256((__m256i *)st->w[i], v[i]);
}

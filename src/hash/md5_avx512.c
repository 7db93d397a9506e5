/* MD5 of 16 streams side by side in AVX-512 registers: lane l of every register belongs to
 * stream l. A block of each is loaded as one register and the 16 are transposed. */
#include "hash/md5_priv.h"

#include <immintrin.h>

typedef __m512i md5_vec;

/* Truth tables of the round functions, indexed by the bits x y z. */
#define MD5_ADD(x, y) _mm512_add_epi32(x, y)
#define MD5_ROL(x, n) _mm512_rol_epi32(x, n)
#define MD5_SPREAD(k) _mm512_set1_epi32((int)(k))
#define MD5_KEEP(x) __asm__("" : "+v"(x))
#define MD5_F(x, y, z) _mm512_ternarylogic_epi32(x, y, z, 0xca)
#define MD5_G(x, y, z) _mm512_ternarylogic_epi32(x, y, z, 0xe4)
#define MD5_H(x, y, z) _mm512_ternarylogic_epi32(x, y, z, 0x96)
#define MD5_I(x, y, z) _mm512_ternarylogic_epi32(x, y, z, 0x39)

#include "hash/md5_rounds_priv.h"

/* 16 bytes at `at` of the lanes l, l + 4, l + 8 and l + 12, side by side. */
static inline __attribute__((always_inline)) __m512i load_row(const uint8_t *const *data, int l,
                                                              size_t at) {
    __m512i r = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(data[l] + at)));
    r = _mm512_inserti32x4(r, _mm_loadu_si128((const __m128i *)(data[l + 4] + at)), 1);
    r = _mm512_inserti32x4(r, _mm_loadu_si128((const __m128i *)(data[l + 8] + at)), 2);
    return _mm512_inserti32x4(r, _mm_loadu_si128((const __m128i *)(data[l + 12] + at)), 3);
}

/* The four message words that stand at `at` of every lane. */
static inline __attribute__((always_inline)) void load_words(const uint8_t *const *data, size_t at,
                                                             __m512i m[4]) {
    __m512i r0 = load_row(data, 0, at), r1 = load_row(data, 1, at);
    __m512i r2 = load_row(data, 2, at), r3 = load_row(data, 3, at);
    __m512i lo01 = _mm512_unpacklo_epi32(r0, r1), hi01 = _mm512_unpackhi_epi32(r0, r1);
    __m512i lo23 = _mm512_unpacklo_epi32(r2, r3), hi23 = _mm512_unpackhi_epi32(r2, r3);
    m[0] = _mm512_unpacklo_epi64(lo01, lo23);
    m[1] = _mm512_unpackhi_epi64(lo01, lo23);
    m[2] = _mm512_unpacklo_epi64(hi01, hi23);
    m[3] = _mm512_unpackhi_epi64(hi01, hi23);
}

void lb_md5_blocks_avx512(struct lb_md5_lane_state *st, const uint8_t *const *data, size_t n) {
    __m512i words[2][16], v[4];
    if (n == 0)
        return;
    for (size_t i = 0; i < 4; i++) {
        v[i] = _mm512_loadu_si512(st->w[i]);
        load_words(data, i * 16, &words[0][i * 4]);
    }
    for (size_t i = 0; i < n; i++) {
        const uint32_t *sines = md5_sines;
        const __m512i *m = words[i & 1];
        __m512i *next = words[~i & 1], r[4] = {v[0], v[1], v[2], v[3]};
        size_t at = (i + 1 < n ? i + 1 : i) * LB_MD5_BLOCK;
        /* Else all 64 are spread before the loop and spill. */
        __asm__ volatile("" : "+r"(sines));
        md5_round_f(r, m, sines);
        load_words(data, at, next);
        md5_round_g(r, m, sines);
        load_words(data, at + 16, next + 4);
        md5_round_h(r, m, sines);
        load_words(data, at + 32, next + 8);
        md5_round_i(r, m, sines);
        load_words(data, at + 48, next + 12);
        md5_add(v, r);
    }
    for (int i = 0; i < 4; i++)
        _mm512_storeu_si512(st->w[i], v[i]);
}

/* The 64 steps of MD5 (RFC 1321, 3.4), written once for every width. The including file defines
 *
 *   md5_vec               32-bit words of one or more lanes
 *   MD5_ADD(x, y)         sum modulo 2^32
 *   MD5_ROL(x, n)         rotation to the left by the constant n
 *   MD5_SPREAD(k)         k in every lane
 *   MD5_KEEP(x)           makes x opaque to the optimiser: an empty asm statement
 *   MD5_F, MD5_G, MD5_H, MD5_I (x, y, z)   the round functions
 *
 * A step waits for the one before it, so what counts is the length of that chain: the constant and
 * the message word are added first and kept so, and only the round function, two sums and the
 * rotation are left on it. */
#ifndef LB_HASH_MD5_ROUNDS_PRIV_H
#define LB_HASH_MD5_ROUNDS_PRIV_H

/* floor(2^32 * |sin(i + 1)|) */
static const uint32_t md5_sines[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};

#define MD5_STEP(FN, a, b, c, d, word, shift, i)           \
    (a) = MD5_ADD(a, MD5_ADD(word, MD5_SPREAD(sines[i]))); \
    MD5_KEEP(a);                                           \
    (a) = MD5_ADD(b, MD5_ROL(MD5_ADD(a, FN(b, c, d)), shift))

/* Steps i to i + 3, of a round whose step j takes message word (j * MUL + OFF) mod 16. */
#define MD5_ROW(FN, MUL, OFF, S0, S1, S2, S3, i)                                \
    MD5_STEP(FN, a, b, c, d, m[((i) * (MUL) + (OFF)) & 15], S0, i);             \
    MD5_STEP(FN, d, a, b, c, m[(((i) + 1) * (MUL) + (OFF)) & 15], S1, (i) + 1); \
    MD5_STEP(FN, c, d, a, b, m[(((i) + 2) * (MUL) + (OFF)) & 15], S2, (i) + 2); \
    MD5_STEP(FN, b, c, d, a, m[(((i) + 3) * (MUL) + (OFF)) & 15], S3, (i) + 3)

#define MD5_ROW_F(i) MD5_ROW(MD5_F, 1, 0, 7, 12, 17, 22, i)
#define MD5_ROW_G(i) MD5_ROW(MD5_G, 5, 1, 5, 9, 14, 20, i)
#define MD5_ROW_H(i) MD5_ROW(MD5_H, 3, 5, 4, 11, 16, 23, i)
#define MD5_ROW_I(i) MD5_ROW(MD5_I, 7, 0, 6, 10, 15, 21, i)

/* The four rounds, in this order, on a copy of the chaining value: m holds the block's 16 message
 * words, sines is md5_sines. */
static inline __attribute__((always_inline)) void md5_round_f(md5_vec v[4], const md5_vec m[16],
                                                              const uint32_t *sines) {
    md5_vec a = v[0], b = v[1], c = v[2], d = v[3];
    MD5_ROW_F(0);
    MD5_ROW_F(4);
    MD5_ROW_F(8);
    MD5_ROW_F(12);
    v[0] = a, v[1] = b, v[2] = c, v[3] = d;
}

static inline __attribute__((always_inline)) void md5_round_g(md5_vec v[4], const md5_vec m[16],
                                                              const uint32_t *sines) {
    md5_vec a = v[0], b = v[1], c = v[2], d = v[3];
    MD5_ROW_G(16);
    MD5_ROW_G(20);
    MD5_ROW_G(24);
    MD5_ROW_G(28);
    v[0] = a, v[1] = b, v[2] = c, v[3] = d;
}

static inline __attribute__((always_inline)) void md5_round_h(md5_vec v[4], const md5_vec m[16],
                                                              const uint32_t *sines) {
    md5_vec a = v[0], b = v[1], c = v[2], d = v[3];
    MD5_ROW_H(32);
    MD5_ROW_H(36);
    MD5_ROW_H(40);
    MD5_ROW_H(44);
    v[0] = a, v[1] = b, v[2] = c, v[3] = d;
}

static inline __attribute__((always_inline)) void md5_round_i(md5_vec v[4], const md5_vec m[16],
                                                              const uint32_t *sines) {
    md5_vec a = v[0], b = v[1], c = v[2], d = v[3];
    MD5_ROW_I(48);
    MD5_ROW_I(52);
    MD5_ROW_I(56);
    MD5_ROW_I(60);
    v[0] = a, v[1] = b, v[2] = c, v[3] = d;
}

/* Ends a block: adds what the rounds made of the chaining value to it. */
static inline __attribute__((always_inline)) void md5_add(md5_vec st[4], const md5_vec v[4]) {
    st[0] = MD5_ADD(st[0], v[0]);
    st[1] = MD5_ADD(st[1], v[1]);
    st[2] = MD5_ADD(st[2], v[2]);
    st[3] = MD5_ADD(st[3], v[3]);
}

#endif

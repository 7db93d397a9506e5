/* CRC32, CRC32C and CRC64NVME: constants, the table routine, and the combination of parts.
 *
 * Everything is arithmetic on polynomials over GF(2) modulo the CRC's own, on reflected words: bit
 * width - 1 is the coefficient of x^0, so that a shift to the right multiplies by x. */
#include "hash/crc_priv.h"

#include <assert.h>
#include <pthread.h>

static struct lb_crc crcs[LB_HASH_KINDS] = {
    [LB_HASH_CRC32] = {.poly = 0xedb88320, .width = 32},
    [LB_HASH_CRC32C] = {.poly = 0x82f63b78, .width = 32},
    [LB_HASH_CRC64NVME] = {.poly = 0x9a6c9329ac4bc9b5, .width = 64},
};
static pthread_once_t crcs_once = PTHREAD_ONCE_INIT;
/* Folding by carry-less multiplication, where the CPU has it. */
static void (*fold)(const struct lb_crc *crc, uint64_t state, const uint8_t *p, size_t n,
                    uint8_t ret[16]);

static uint64_t ones(const struct lb_crc *crc) {
    return UINT64_MAX >> (64 - crc->width);
}

static uint64_t times_x(const struct lb_crc *crc, uint64_t a) {
    return a >> 1 ^ (crc->poly & -(a & 1));
}

/* a * b: Horner's scheme over the coefficients of a, highest power first. */
static uint64_t multiply(const struct lb_crc *crc, uint64_t a, uint64_t b) {
    uint64_t r = 0;
    for (unsigned i = 0; i < crc->width; i++)
        r = times_x(crc, r) ^ (b & -(a >> i & 1));
    return r;
}

/* a * x^(n * 2^shift) */
static uint64_t shift_up(const struct lb_crc *crc, uint64_t a, uint64_t n, unsigned shift) {
    for (unsigned k = shift; n; n >>= 1, k++) {
        if (n & 1)
            a = multiply(crc, a, crc->power[k]);
    }
    return a;
}

/* The multiplier for carrying 64 coefficients over n bits, as the carry-less multiplication of
 * reflected words wants it: left-aligned, and one power less, because the product of two 64-bit
 * words has 127 bits and lies one place off in 128. */
static uint64_t fold_constant(const struct lb_crc *crc, uint64_t n) {
    uint64_t one = 1ull << (crc->width - 1);
    return shift_up(crc, one, n - 1, 0) << (64 - crc->width);
}

static void derive_table(struct lb_crc *crc) {
    for (unsigned b = 0; b < 256; b++) {
        uint64_t r = b;
        for (int bit = 0; bit < 8; bit++)
            r = times_x(crc, r);
        crc->table[0][b] = r;
    }
    for (int k = 1; k < 8; k++) {
        for (unsigned b = 0; b < 256; b++) {
            uint64_t r = crc->table[k - 1][b];
            crc->table[k][b] = crc->table[0][r & 255] ^ r >> 8;
        }
    }
}

static void derive_all(void) {
    for (int kind = 0; kind < LB_HASH_KINDS; kind++) {
        struct lb_crc *crc = &crcs[kind];
        if (!crc->width)
            continue;
        derive_table(crc);
        crc->power[0] = 1ull << (crc->width - 2);
        for (int k = 1; k < LB_CRC_POWERS; k++)
            crc->power[k] = multiply(crc, crc->power[k - 1], crc->power[k - 1]);
        crc->fold512[0] = fold_constant(crc, 512 + 64);
        crc->fold512[1] = fold_constant(crc, 512);
        crc->fold128[0] = fold_constant(crc, 128 + 64);
        crc->fold128[1] = fold_constant(crc, 128);
    }
#if defined(__x86_64__)
    if (__builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1"))
        fold = lb_crc_fold_clmul;
#endif
}

static const struct lb_crc *crc_of(enum lb_hash_kind kind) {
    assert(lb_crc_is(kind));
    pthread_once(&crcs_once, derive_all);
    return &crcs[kind];
}

uint64_t lb_crc_start(enum lb_hash_kind kind) {
    return ones(crc_of(kind));
}

/* Eight bytes a step: each byte's effect at its distance, summed. A 32-bit state fits the same
 * step; it only reaches into the first four. */
static uint64_t by_table(const struct lb_crc *crc, uint64_t state, const uint8_t *p, size_t n) {
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t w;
        memcpy(&w, p, sizeof(w));
        w ^= state;
        state = crc->table[7][w & 255] ^ crc->table[6][w >> 8 & 255] ^
                crc->table[5][w >> 16 & 255] ^ crc->table[4][w >> 24 & 255] ^
                crc->table[3][w >> 32 & 255] ^ crc->table[2][w >> 40 & 255] ^
                crc->table[1][w >> 48 & 255] ^ crc->table[0][w >> 56];
    }
    for (; n; n--, p++)
        state = crc->table[0][(state ^ *p) & 255] ^ state >> 8;
    return state;
}

uint64_t lb_crc_update_table(enum lb_hash_kind kind, uint64_t state, const uint8_t *p, size_t n) {
    return by_table(crc_of(kind), state, p, n);
}

uint64_t lb_crc_update(enum lb_hash_kind kind, uint64_t state, const uint8_t *p, size_t n) {
    const struct lb_crc *crc = crc_of(kind);
    size_t blocks = n / 16;
    if (fold && blocks >= LB_CRC_FOLD_MIN) {
        uint8_t block[16];
        fold(crc, state, p, blocks, block);
        state = by_table(crc, 0, block, sizeof(block));
        p += blocks * 16;
        n -= blocks * 16;
    }
    return by_table(crc, state, p, n);
}

static void put_value(const struct lb_crc *crc, uint64_t value, struct lb_digest *ret) {
    ret->len = (uint8_t)(crc->width / 8);
    for (unsigned i = 0; i < ret->len; i++)
        ret->bytes[i] = (uint8_t)(value >> (crc->width - 8 - 8 * i));
}

static uint64_t get_value(const struct lb_crc *crc, const struct lb_digest *d) {
    uint64_t value = 0;
    assert(d->len == crc->width / 8);
    for (unsigned i = 0; i < d->len; i++)
        value = value << 8 | d->bytes[i];
    return value;
}

void lb_crc_digest(enum lb_hash_kind kind, uint64_t state, struct lb_digest *ret) {
    const struct lb_crc *crc = crc_of(kind);
    put_value(crc, state ^ ones(crc), ret);
}

/* The remainder of the whole is that of the first part, moved over the second, plus that of the
 * second; the ones at the start and at the end cancel out of this sum. */
void lb_crc_combine(enum lb_hash_kind kind, const struct lb_digest *a, const struct lb_digest *b,
                    uint64_t len_b, struct lb_digest *ret) {
    const struct lb_crc *crc = crc_of(kind);
    uint64_t moved = shift_up(crc, get_value(crc, a), len_b, 3);
    put_value(crc, moved ^ get_value(crc, b), ret);
}

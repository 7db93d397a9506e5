/* MD5 of one stream: whole blocks, and the padding that ends a message. */
#include "hash/md5_priv.h"

#include <string.h>

typedef uint32_t md5_vec;

#define MD5_ADD(x, y) ((x) + (y))
#define MD5_ROL(x, n) ((x) << (n) | (x) >> (32 - (n)))
#define MD5_SPREAD(k) (k)
#define MD5_KEEP(x) __asm__("" : "+r"(x))
#define MD5_F(x, y, z) ((((y) ^ (z)) & (x)) ^ (z))
/* The two halves have no bit in common: their sum is their union, and one of them does not wait for
 * the step before. */
#define MD5_G(x, y, z) (((z) & (x)) + (~(z) & (y)))
#define MD5_H(x, y, z) ((x) ^ ((y) ^ (z)))
#define MD5_I(x, y, z) ((y) ^ ((x) | ~(z)))

#include "hash/md5_rounds_priv.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "MD5's words are little-endian");

void lb_md5_blocks(uint32_t md5[4], const uint8_t *data, size_t n) {
    for (; n; n--, data += LB_MD5_BLOCK) {
        uint32_t m[16];
        memcpy(m, data, sizeof(m));
        uint32_t v[4] = {md5[0], md5[1], md5[2], md5[3]};
        md5_round_f(v, m, md5_sines);
        md5_round_g(v, m, md5_sines);
        md5_round_h(v, m, md5_sines);
        md5_round_i(v, m, md5_sines);
        md5_add(md5, v);
    }
}

void lb_md5_finish(const uint32_t md5[4], const uint8_t *tail, uint64_t len, uint8_t *ret) {
    uint8_t pad[2 * LB_MD5_BLOCK] = {0};
    uint32_t st[4];
    size_t rest = len % LB_MD5_BLOCK;
    size_t blocks = rest < LB_MD5_BLOCK - sizeof(uint64_t) ? 1 : 2;
    uint64_t bits = len << 3;
    memcpy(st, md5, sizeof(st));
    memcpy(pad, tail, rest);
    pad[rest] = 0x80;
    memcpy(pad + blocks * LB_MD5_BLOCK - sizeof(bits), &bits, sizeof(bits));
    lb_md5_blocks(st, pad, blocks);
    memcpy(ret, st, sizeof(st));
}

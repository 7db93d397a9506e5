/* MD5's compression function (RFC 1321, 3.4) over whole blocks: one stream, or several side by
 * side in the lanes of vector registers. Padding and tails are the caller's. */
#ifndef LB_HASH_MD5_PRIV_H
#define LB_HASH_MD5_PRIV_H

#include <stddef.h>
#include <stdint.h>

#define LB_MD5_BLOCK 64
#define LB_MD5_LANES_MAX 16

/* Chaining values of up to LB_MD5_LANES_MAX streams, transposed: word w of lane l is w[w][l]. */
struct lb_md5_lane_state {
    uint32_t w[4][LB_MD5_LANES_MAX];
};

/* The initial chaining value. */
#define LB_MD5_INIT \
    { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476 }

/* Advances every lane of the kernel's width by n blocks; data[l] is where lane l's blocks begin. An
 * idle lane may point at any n readable blocks, another lane's for one; its state turns to rubbish.
 */
typedef void (*lb_md5_kernel)(struct lb_md5_lane_state *st, const uint8_t *const *data, size_t n);

/* 16 lanes; needs AVX-512 F, BW and VL. */
void lb_md5_blocks_avx512(struct lb_md5_lane_state *st, const uint8_t *const *data, size_t n);
/* 8 lanes; needs AVX2. */
void lb_md5_blocks_avx2(struct lb_md5_lane_state *st, const uint8_t *const *data, size_t n);
/* One stream. */
void lb_md5_blocks(uint32_t md5[4], const uint8_t *data, size_t n);

/* Finishes a message of len bytes whose last len % 64 bytes are in tail, from the chaining value of
 * what stands before them. md5 is not changed; ret gets 16 bytes. */
void lb_md5_finish(const uint32_t md5[4], const uint8_t *tail, uint64_t len, uint8_t *ret);

#endif

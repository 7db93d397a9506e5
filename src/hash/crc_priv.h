/* The reflected CRCs, all by the same routines: what tells them apart is the polynomial.
 *
 * A state is the remainder with its bits reflected, x^0 in the highest bit of the width, right-
 * aligned in 64 bits; the ones that S3's CRCs begin with and are inverted by in the end are the
 * caller's business (lb_crc_start, lb_crc_digest). */
#ifndef LB_HASH_CRC_PRIV_H
#define LB_HASH_CRC_PRIV_H

#include "hash/hash.h"

/* Bits of a length in bits: 64 of a length in bytes, and 3. */
#define LB_CRC_POWERS 67

/* Constants of one CRC, derived at first use. */
struct lb_crc {
    uint64_t poly;  /* reflected, without the leading term */
    unsigned width; /* 32 or 64 */
    /* table[k][b]: what byte b leaves behind when k zero bytes follow it. */
    uint64_t table[8][256];
    /* x^(2^k) modulo the polynomial, reflected */
    uint64_t power[LB_CRC_POWERS];
    /* Multipliers that carry the two halves of a 128-bit block over the next 512 bits and over the
     * next 128 bits: fold512[0] and fold128[0] for the half that comes first. */
    uint64_t fold512[2], fold128[2];
};

static inline bool lb_crc_is(enum lb_hash_kind kind) {
    return kind == LB_HASH_CRC32 || kind == LB_HASH_CRC32C || kind == LB_HASH_CRC64NVME;
}

/* The state before the first byte. */
uint64_t lb_crc_start(enum lb_hash_kind kind);
/* The state after n more bytes. */
uint64_t lb_crc_update(enum lb_hash_kind kind, uint64_t state, const uint8_t *p, size_t n);
/* The digest that belongs to a state. */
void lb_crc_digest(enum lb_hash_kind kind, uint64_t state, struct lb_digest *ret);

/* The same update, by tables alone: for CPUs without carry-less multiplication, short inputs and
 * tests. */
uint64_t lb_crc_update_table(enum lb_hash_kind kind, uint64_t state, const uint8_t *p, size_t n);

/* Folds whole 16-byte blocks of p, of which there are n >= 4, into one block with the same
 * remainder: state belongs in front of it and is spent. Needs PCLMULQDQ and SSE4.1. */
#define LB_CRC_FOLD_MIN 4
void lb_crc_fold_clmul(const struct lb_crc *crc, uint64_t state, const uint8_t *p, size_t n,
                       uint8_t ret[16]);

#endif

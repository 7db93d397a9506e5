/* Little-endian numbers and the checksum of what this engine writes. */
#ifndef LB_ENGINE_FS_BYTES_PRIV_H
#define LB_ENGINE_FS_BYTES_PRIV_H

#include "hash/hash.h"

static inline void fs_put_le(char *at, uint64_t v, size_t n) {
    for (size_t i = 0; i < n; i++)
        at[i] = (char)(v >> (8 * i));
}

static inline uint64_t fs_get_le(const char *at, size_t n) {
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)(uint8_t)at[i] << (8 * i);
    return v;
}

static inline uint32_t fs_crc32c(struct lb_slice s) {
    struct lb_digest d;
    lb_hash_once(LB_HASH_CRC32C, s, &d);
    return (uint32_t)d.bytes[0] << 24 | (uint32_t)d.bytes[1] << 16 | (uint32_t)d.bytes[2] << 8 |
           d.bytes[3];
}

#endif

/* Little-endian numbers, and a cursor over bytes that are not to be trusted. */
#ifndef LB_ENGINE_VOLUME_FORMAT_PRIV_H
#define LB_ENGINE_VOLUME_FORMAT_PRIV_H

#include "engine/volume/format.h"

static inline void vol_set_le(void *at, uint64_t v, size_t n) {
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)at)[i] = (uint8_t)(v >> (8 * i));
}

static inline uint64_t vol_get_le(const void *at, size_t n) {
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)((const uint8_t *)at)[i] << (8 * i);
    return v;
}

static inline void vol_put_le(struct lb_buf *b, uint64_t v, size_t n) {
    char bytes[8];
    vol_set_le(bytes, v, n);
    lb_buf_append(b, lb_slice(bytes, n));
}

/* Takes from the front of what is left. Once it was too short, or something was wrong, `bad` stays,
 * and everything taken is 0 or empty. */
struct vol_cursor {
    struct lb_slice rest;
    bool bad;
};

static inline struct lb_slice vol_take(struct vol_cursor *c, uint64_t n) {
    if (c->bad || n > c->rest.len) {
        c->bad = true;
        return (struct lb_slice){0};
    }
    struct lb_slice got = lb_slice_first(c->rest, (size_t)n);
    c->rest = lb_slice_from(c->rest, (size_t)n);
    return got;
}

static inline uint64_t vol_take_le(struct vol_cursor *c, size_t n) {
    struct lb_slice s = vol_take(c, n);
    return vol_get_le(s.ptr, s.len);
}

static inline void vol_want(struct vol_cursor *c, bool good) {
    if (!good)
        c->bad = true;
}

static inline bool vol_is_zero(struct lb_slice s) {
    return s.len == 0 || (s.ptr[0] == 0 && memcmp(s.ptr, s.ptr + 1, s.len - 1) == 0);
}

static inline void vol_take_zero(struct vol_cursor *c, size_t n) {
    vol_want(c, vol_is_zero(vol_take(c, n)));
}

/* Bytes to the next multiple of `to`. */
static inline size_t vol_padding(size_t len, size_t to) {
    return (to - len % to) % to;
}

/* Appends zeros up to the next multiple of `to`, counted from `from`. */
void vol_pad(struct lb_buf *b, size_t from, size_t to);

/* An extent in the data region that is there: 12 bytes. */
void vol_put_extent(struct lb_buf *b, struct vol_extent e);
struct vol_extent vol_take_extent(struct vol_cursor *c);
/* The same bytes with any numbers: {upload, parts} of a composed object. */
static inline struct vol_extent vol_take_run(struct vol_cursor *c) {
    uint64_t first = vol_take_le(c, 8);
    return (struct vol_extent){first, vol_take_le(c, 4)};
}

enum { VOL_ETAG_NONE, VOL_ETAG_MD5, VOL_ETAG_TEXT };
/* How an ETag is stored; sets ret_md5 for VOL_ETAG_MD5. */
unsigned vol_etag_form(struct lb_slice etag, uint8_t ret_md5[16]);

#define VOL_DISK_FLAGS (VOL_NULL | VOL_MARKER | VOL_OLD | VOL_DAMAGED | VOL_PART | VOL_COMPOSED)
#define VOL_BUCKET_NAME_MAX 255u
#define VOL_PACKED_LEN 16u
#define VOL_SIZE_ANY UINT64_MAX /* no object has this size */

/* Batches, packs and chunks: at 0 four letters, at 4 the checksum of bytes 8 .. used. */
void vol_seal(struct lb_buf *bytes, const char magic[4], size_t used);
int vol_unseal(struct lb_slice bytes, const char magic[4], size_t head, size_t used);

#endif

/* What is in the volume: every version of every key, in memory. Ordered by bucket, key and
 * sequence number (newest first) for lists that seek, hashed for look-ups. Sans I/O. One user at a
 * time (the volume's lock).
 *
 * Memory: at most 100 bytes and the key for an object of one extent, no more than 16 bytes of meta,
 * and a body of up to 64 KiB. Entries come from slabs; they are addressed by 32-bit numbers inside.
 */
#ifndef LB_ENGINE_VOLUME_INDEX_H
#define LB_ENGINE_VOLUME_INDEX_H

#include "base/arena.h"
#include "engine/engine.h"
#include "engine/volume/alloc.h"

#define VOL_META_INLINE \
    128 /* bytes of a meta blob that the index holds; a longer one is in its pack */
#define VOL_INLINE_BODY_MAX 3072
#define VOL_SUM_SIZE 65536u /* bytes of a body that one checksum is of */

enum {
    VOL_NULL = 1,      /* the null version */
    VOL_MARKER = 2,    /* a delete marker */
    VOL_OLD = 4,       /* not the current one */
    VOL_DAMAGED = 8,   /* a checksum did not match: not served */
    VOL_STAGED = 16,   /* head (and small body) are in memory and the journal, not yet in a pack */
    VOL_PART = 32,     /* of an upload */
    VOL_COMPOSED = 64, /* of parts: its one extent is {number of the upload, number of parts}, no
                          units; the parts are entries of their own */
};

/* A version of a key, as it is handed in and out. Slices are borrowed (out: from the index, until
 * it changes). */
struct vol_object {
    uint32_t bucket; /* its number */
    struct lb_slice key;
    uint64_t seq; /* unique; the newest of a key is the greatest */
    uint64_t size;
    int64_t mtime_ns;
    struct lb_etag etag;
    uint32_t meta_len;
    struct lb_slice meta; /* all of it when meta_len <= VOL_META_INLINE, else empty */
    uint8_t flags;
    const struct vol_extent *extents; /* of the body; none: a small body, in the pack */
    size_t extents_n;
    const uint32_t *sums; /* CRC-32C of each VOL_SUM_SIZE of the body */
    size_t sums_n;
    uint64_t pack;     /* unit of the pack; 0: staged */
    uint32_t pack_at;  /* byte of the record in it */
    uint32_t pack_len; /* bytes of the record */
};

struct vol_index;

/* Empty; owned; NULL without memory. */
struct vol_index *vol_index_new(void);
void vol_index_free(struct vol_index *x);

/* Adds a version, or replaces the one with the same bucket, key and seq. Returns 0 or -ENOMEM (then
 * nothing has changed). */
int vol_index_put(struct vol_index *x, const struct vol_object *o);
/* Removes a version. Returns 0 or -ENOENT. */
int vol_index_remove(struct vol_index *x, uint32_t bucket, struct lb_slice key, uint64_t seq);

/* The current object or marker of a key (the newest without VOL_OLD and VOL_PART), by the hash
 * alone. Returns 0 or -ENOENT. */
int vol_index_current(const struct vol_index *x, uint32_t bucket, struct lb_slice key,
                      struct vol_object *ret);
/* A version of a key. Returns 0 or -ENOENT. */
int vol_index_version(const struct vol_index *x, uint32_t bucket, struct lb_slice key, uint64_t seq,
                      struct vol_object *ret);
/* The null version of a key. Returns 0 or -ENOENT. */
int vol_index_null(const struct vol_index *x, uint32_t bucket, struct lb_slice key,
                   struct vol_object *ret);
/* The first entry in order at or after (bucket, key, seq): keys by bytes, of a key the greatest seq
 * first (UINT64_MAX: from the newest). Crosses buckets. Returns 0 or -ENOENT at the end. */
int vol_index_seek(const struct vol_index *x, uint32_t bucket, struct lb_slice key, uint64_t seq,
                   struct vol_object *ret);
/* The entry after the one that has this place. Returns 0 or -ENOENT. */
int vol_index_next(const struct vol_index *x, const struct vol_object *at, struct vol_object *ret);

/* Changes in place, without copying: flags; the pack. Return 0 or -ENOENT. */
int vol_index_set_flags(struct vol_index *x, uint32_t bucket, struct lb_slice key, uint64_t seq,
                        uint8_t flags);
int vol_index_set_pack(struct vol_index *x, uint32_t bucket, struct lb_slice key, uint64_t seq,
                       uint64_t pack, uint32_t at, uint32_t len);

/* Versions in the index; current objects (no markers, no parts) and their bytes, per bucket. */
size_t vol_index_len(const struct vol_index *x);
void vol_index_usage(const struct vol_index *x, uint32_t bucket, uint64_t *ret_objects,
                     uint64_t *ret_bytes);
/* Bytes of memory it takes. */
size_t vol_index_memory(const struct vol_index *x);

/* Loading in order (ascending, at a start): as vol_index_put, several times faster. Ends with any
 * other call. */
int vol_index_load(struct vol_index *x, const struct vol_object *o);

#endif

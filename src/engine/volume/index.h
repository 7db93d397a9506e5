/* What is in the volume: every version of every key, in memory. Ordered by bucket, key and
 * sequence number (newest first) for lists that seek, hashed for look-ups. Sans I/O. One user at a
 * time (the volume's lock).
 *
 * Memory: at most 100 bytes and the key for an object of one extent, no more than 16 bytes of meta,
 * and a body of up to 64 KiB; beyond that what extents (16 bytes each) and checksums (4 bytes for
 * each 64 KiB of the body) take. An entry is one piece of a slab, however large: that of a body of
 * 5 TiB takes 320 MiB. Pieces of 128 KiB and more (bodies from 2 GiB on) go back to the system when
 * they are removed; smaller ones are kept for entries of their size. */
#ifndef LB_ENGINE_VOLUME_INDEX_H
#define LB_ENGINE_VOLUME_INDEX_H

#include "base/arena.h"
#include "engine/engine.h"
#include "engine/volume/alloc.h"

#define VOL_META_INLINE \
    128 /* bytes of a meta blob that the index holds; a longer one is in its pack */
#define VOL_INLINE_BODY_MAX 3072
#define VOL_SUM_SIZE 65536u /* bytes of a body that one checksum is of */
#define VOL_EXTENTS_MAX 65535u
#define VOL_SUMS_MAX (1u << 27) /* 8 TiB */

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

/* A version of a key, as it is handed in and out. What it points to is borrowed. Out: key, meta,
 * sums and extents are the index's, good until that very version is removed or replaced (changes of
 * others move nothing); but a single extent (extents_n 1) is good only until VOL_INDEX_SINGLES more
 * objects have been handed out: copy it to keep it. In: copied. */
#define VOL_INDEX_SINGLES 256
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
    uint64_t pack;     /* unit of the pack, below 2^40; 0: staged */
    uint32_t pack_at;  /* byte of the record in it, below 2^24 */
    uint32_t pack_len; /* bytes of the record, below 2^24 */
    struct {
        uint64_t changes; /* 0: none */
        uint32_t leaf, i;
    } place; /* the index's own: set by seek and next, so that next is cheap */
};

struct vol_index;

/* Empty; owned; NULL without memory. */
struct vol_index *vol_index_new(void);
void vol_index_free(struct vol_index *x);

/* Adds a version, or replaces the one with the same bucket, key and seq. Returns 0, -ENOMEM, or
 * -EINVAL for what is out of range (see struct vol_object; a key above 65,535 bytes; meta that is
 * not meta_len bytes): then nothing has changed. */
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
/* The null version of a key: walks from the newest. Returns 0 or -ENOENT. */
int vol_index_null(const struct vol_index *x, uint32_t bucket, struct lb_slice key,
                   struct vol_object *ret);
/* The first entry in order at or after (bucket, key, seq): keys by bytes, of a key the greatest seq
 * first (UINT64_MAX: from the newest). Crosses buckets. Returns 0 or -ENOENT at the end. */
int vol_index_seek(const struct vol_index *x, uint32_t bucket, struct lb_slice key, uint64_t seq,
                   struct vol_object *ret);
/* The entry after `at`, which seek or next gave: a step, or, when the index has changed since or
 * only bucket, key and seq are set (place zero), a seek. ret may be at. Returns 0 or -ENOENT at the
 * end. */
int vol_index_next(const struct vol_index *x, const struct vol_object *at, struct vol_object *ret);

/* Changes in place, without copying: flags; the pack. Return 0, -ENOENT, or -EINVAL for a pack out
 * of range. */
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

/* Loading in order (ascending, at a start): as vol_index_put, several times faster, while the index
 * holds nothing but what was loaded. Ends with any other call; what is not in order is put. */
int vol_index_load(struct vol_index *x, const struct vol_object *o);

/* Checks the structure (for tests). */
bool vol_index_check(const struct vol_index *x);

#endif

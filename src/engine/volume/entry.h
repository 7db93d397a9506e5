/* What the index holds of a version: one piece of a slab, packed. Sans I/O. */
#ifndef LB_ENGINE_VOLUME_ENTRY_H
#define LB_ENGINE_VOLUME_ENTRY_H

#include "engine/volume/index.h"
#include "engine/volume/slab.h"

/* Behind it: the count of extents if it is VOL_ENTRY_MANY, and all of them; the count of checksums
 * likewise, and all of them; key, ETag, meta (or the length of one that is too long); then, in as
 * many bytes as they need, seq, size, and the extent if it is a single one. */
struct vol_entry {
    uint32_t chain; /* keys.h: the next one in its slot */
    uint32_t bucket;
    int64_t mtime_ns;
    uint8_t pack[5], pack_at[3], pack_len[3];
    uint8_t flags;
    uint16_t key_len;
    uint8_t meta; /* bytes of it, or VOL_ENTRY_MANY: the length follows in 4 */
    uint8_t etag; /* bytes of its text, or VOL_ENTRY_MANY: 16 bytes of an MD5 follow */
    uint8_t extents, sums;
    uint8_t widths;        /* of seq, and of size << 4 */
    uint8_t extent_widths; /* of first, and of n << 4 */
    char more[];
};
#define VOL_ENTRY_MANY UINT8_MAX

/* A place in the order. */
struct vol_entry_key {
    uint32_t bucket;
    struct lb_slice key;
    uint64_t seq;
};

/* Packs an object. Returns its piece, or 0 without memory. *ret: 0, -EINVAL (a field is out of
 * range, see struct vol_object) or -ENOMEM. */
int vol_entry_new(struct vol_slab *slab, const struct vol_object *o, uint32_t *ret);
void vol_entry_give(struct vol_slab *slab, uint32_t piece);

struct lb_slice vol_entry_name(const struct vol_entry *e);
uint64_t vol_entry_seq(const struct vol_entry *e);
uint64_t vol_entry_size(const struct vol_entry *e);

/* An entry of a usual key takes about three cache lines: all at once, not one after the other. */
static inline void vol_entry_prefetch(const struct vol_entry *e) {
    __builtin_prefetch((const char *)e + 64);
    __builtin_prefetch((const char *)e + 128);
}

/* Are these versions of one key? */
static inline bool vol_entry_is(const struct vol_entry *e, uint32_t bucket, struct lb_slice key) {
    return e->bucket == bucket && e->key_len == key.len && lb_slice_eq(vol_entry_name(e), key);
}

/* Orders an entry against a struct vol_entry_key: bucket, key, greatest seq first. */
int vol_entry_compare(const void *entry, const void *key);

/* The entry's object; slices and arrays are the entry's, but an extent that is packed is put to
 * *single. */
void vol_entry_unpack(const struct vol_entry *e, struct vol_object *ret, struct vol_extent *single);

/* Returns 0, or -EINVAL when it is out of range. */
int vol_entry_set_pack(struct vol_entry *e, uint64_t pack, uint32_t at, uint32_t len);

#endif

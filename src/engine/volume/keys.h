/* Which entry is the newest of a key: a hash table of one entry per key, chained through the
 * entries. It grows by one slot with each key that is added, so no call is slow. One user at a
 * time. */
#ifndef LB_ENGINE_VOLUME_KEYS_H
#define LB_ENGINE_VOLUME_KEYS_H

#include "engine/volume/entry.h"

struct vol_keys {
    const struct vol_slab *slab;
    struct vol_range range; /* of slots */
    uint32_t *slot;
    size_t slots; /* in use: round + those already split in this round */
    size_t round; /* a power of two */
    size_t len;   /* keys */
};

/* Empty; borrows the slab. Returns 0 or -ENOMEM. */
int vol_keys_init(struct vol_keys *k, const struct vol_slab *slab);
void vol_keys_fini(struct vol_keys *k);

uint32_t vol_keys_hash(uint32_t bucket, struct lb_slice key);
/* The entry of a key, or 0. */
uint32_t vol_keys_find(const struct vol_keys *k, uint32_t bucket, struct lb_slice key);

/* Makes room for n keys in all: that many can be added. Returns 0 or -ENOMEM. */
int vol_keys_need(struct vol_keys *k, size_t n);
/* Adds an entry whose key is not there. */
void vol_keys_add(struct vol_keys *k, uint32_t entry);
/* The entry of a key gives way to another of that key. */
void vol_keys_replace(struct vol_keys *k, uint32_t old, uint32_t entry);
void vol_keys_remove(struct vol_keys *k, uint32_t entry);

/* Many at once, to an empty table: vol_keys_size for how many there will be at least (room was made
 * with vol_keys_need), then vol_keys_fill for each, hash as from vol_keys_hash. vol_keys_prefetch
 * some calls ahead makes it fast. */
void vol_keys_size(struct vol_keys *k, size_t n);
void vol_keys_prefetch(const struct vol_keys *k, uint32_t hash);
void vol_keys_fill(struct vol_keys *k, uint32_t entry, uint32_t hash);

size_t vol_keys_memory(const struct vol_keys *k);
/* Checks the structure (for tests). */
bool vol_keys_check(const struct vol_keys *k);

#endif

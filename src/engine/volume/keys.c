/* Linear hashing (Litwin, 1980): slot `slots - round` is the next to be split, into itself and the
 * new slot `slots`. */
#include "engine/volume/keys.h"

#include <errno.h>

#include "base/map.h"

#define SLOTS_MIN 64u
#define SLOTS_MAX ((size_t)1 << 32)

int vol_keys_init(struct vol_keys *k, const struct vol_slab *slab) {
    *k = (struct vol_keys){.slab = slab, .slots = SLOTS_MIN, .round = SLOTS_MIN};
    if (vol_range_init(&k->range, SLOTS_MAX * sizeof(*k->slot)) < 0)
        return -ENOMEM;
    k->slot = (uint32_t *)(void *)k->range.base;
    if (vol_keys_need(k, 0) == 0)
        return 0;
    vol_keys_fini(k);
    return -ENOMEM;
}

void vol_keys_fini(struct vol_keys *k) {
    vol_range_fini(&k->range);
}

static struct vol_entry *entry_at(const struct vol_keys *k, uint32_t entry) {
    return vol_slab_at(k->slab, entry);
}

uint32_t vol_keys_hash(uint32_t bucket, struct lb_slice key) {
    uint64_t h = (lb_hash_bytes(key) ^ bucket) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(h >> 32);
}

static uint32_t hash_of(const struct vol_entry *e) {
    return vol_keys_hash(e->bucket, vol_entry_name(e));
}

static uint32_t *slot_of(const struct vol_keys *k, uint32_t hash) {
    size_t i = hash & (2 * k->round - 1);
    return &k->slot[i < k->slots ? i : hash & (k->round - 1)];
}

uint32_t vol_keys_find(const struct vol_keys *k, uint32_t bucket, struct lb_slice key) {
    uint32_t n = *slot_of(k, vol_keys_hash(bucket, key));
    for (; n; n = entry_at(k, n)->chain) {
        vol_entry_prefetch(entry_at(k, n));
        if (vol_entry_is(entry_at(k, n), bucket, key))
            break;
    }
    return n;
}

int vol_keys_need(struct vol_keys *k, size_t n) {
    size_t slots = n < SLOTS_MIN ? SLOTS_MIN : n;
    return slots > SLOTS_MAX ? -ENOMEM : vol_range_need(&k->range, slots * sizeof(*k->slot));
}

/* Takes one more slot into use. */
static void split(struct vol_keys *k) {
    uint32_t n = k->slot[k->slots - k->round], hash;
    k->slot[k->slots - k->round] = 0;
    k->slot[k->slots++] = 0;
    for (uint32_t next; n; n = next) {
        struct vol_entry *e = entry_at(k, n);
        next = e->chain;
        hash = hash_of(e);
        e->chain = *slot_of(k, hash);
        *slot_of(k, hash) = n;
    }
    if (k->slots == 2 * k->round)
        k->round = k->slots;
}

void vol_keys_fill(struct vol_keys *k, uint32_t entry, uint32_t hash) {
    uint32_t *slot = slot_of(k, hash);
    entry_at(k, entry)->chain = *slot;
    *slot = entry;
    k->len++;
}

void vol_keys_add(struct vol_keys *k, uint32_t entry) {
    if (k->len >= k->slots)
        split(k);
    vol_keys_fill(k, entry, hash_of(entry_at(k, entry)));
}

/* Where the entry is named. */
static uint32_t *link_to(const struct vol_keys *k, uint32_t entry) {
    uint32_t *link = slot_of(k, hash_of(entry_at(k, entry)));
    while (*link != entry)
        link = &entry_at(k, *link)->chain;
    return link;
}

void vol_keys_replace(struct vol_keys *k, uint32_t old, uint32_t entry) {
    entry_at(k, entry)->chain = entry_at(k, old)->chain;
    *link_to(k, old) = entry;
}

void vol_keys_remove(struct vol_keys *k, uint32_t entry) {
    *link_to(k, entry) = entry_at(k, entry)->chain;
    k->len--;
}

void vol_keys_size(struct vol_keys *k, size_t n) {
    if (n <= k->slots)
        return;
    k->slots = n;
    while (2 * k->round <= n)
        k->round *= 2;
}

void vol_keys_prefetch(const struct vol_keys *k, uint32_t hash) {
    __builtin_prefetch(slot_of(k, hash), 1);
}

size_t vol_keys_memory(const struct vol_keys *k) {
    return k->slots * sizeof(*k->slot);
}

bool vol_keys_check(const struct vol_keys *k) {
    size_t n = 0;
    for (size_t i = 0; i < k->slots; i++) {
        for (uint32_t e = k->slot[i]; e; e = entry_at(k, e)->chain, n++) {
            if (n > k->len || slot_of(k, hash_of(entry_at(k, e))) != &k->slot[i])
                return false;
        }
    }
    return n == k->len && k->round <= k->slots && k->slots < 2 * k->round;
}

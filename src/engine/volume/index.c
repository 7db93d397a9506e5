/* Entries lie in a slab. The order holds all of them; the hash table of each key the newest alone,
 * from which the older ones are found in the order. */
#include "engine/volume/index.h"

#include <errno.h>
#include <stdlib.h>

#include "base/map.h"
#include "engine/volume/entry.h"
#include "engine/volume/keys.h"
#include "engine/volume/order.h"

/* Entries of a bucket; freed with the last. */
struct usage {
    struct lb_map_node by_bucket;
    uint32_t bucket;
    uint64_t entries, objects, bytes;
};

/* What look-ups change too. */
struct lazy {
    struct vol_keys keys;
    bool loading;     /* nothing is in keys yet: hashes are where chains will be */
    uint32_t last;    /* the last entry that was loaded */
    size_t last_keys; /* loaded so far */
    struct vol_extent singles[VOL_INDEX_SINGLES];
    unsigned next_single;
    struct usage *usage; /* that was looked for last, or NULL */
};

struct vol_index {
    struct vol_slab slab;
    struct vol_order order;
    struct lazy *lazy;
    struct lb_map usages;
    size_t len;
    uint64_t changes; /* of the order; from 1 */
};

static bool usage_eq(const struct lb_map_node *node, const void *bucket) {
    return LB_CONTAINER_OF(node, struct usage, by_bucket)->bucket == *(const uint32_t *)bucket;
}

struct vol_index *vol_index_new(void) {
    struct vol_index *x = calloc(1, sizeof(*x));
    if (!x)
        return NULL;
    lb_map_init(&x->usages, usage_eq);
    x->lazy = calloc(1, sizeof(*x->lazy));
    if (!x->lazy || vol_slab_init(&x->slab) < 0 || vol_keys_init(&x->lazy->keys, &x->slab) < 0) {
        vol_index_free(x);
        return NULL;
    }
    vol_order_init(&x->order, &x->slab, vol_entry_compare);
    x->changes = 1;
    return x;
}

void vol_index_free(struct vol_index *x) {
    if (!x)
        return;
    for (struct lb_map_node *n = lb_map_first(&x->usages), *next; n; n = next) {
        next = lb_map_next(&x->usages, n);
        free(LB_CONTAINER_OF(n, struct usage, by_bucket));
    }
    lb_map_fini(&x->usages);
    if (x->lazy)
        vol_keys_fini(&x->lazy->keys);
    free(x->lazy);
    vol_slab_fini(&x->slab);
    free(x);
}

static struct vol_entry *entry_at(const struct vol_index *x, uint32_t n) {
    return vol_slab_at(&x->slab, n);
}

/* ---- counts of buckets ---- */

static struct usage *usage_find(const struct vol_index *x, uint32_t bucket) {
    struct usage *last = x->lazy->usage;
    if (last && last->bucket == bucket)
        return last;
    struct lb_map_node *n = lb_map_find(&x->usages, bucket, &bucket);
    if (!n)
        return NULL;
    x->lazy->usage = LB_CONTAINER_OF(n, struct usage, by_bucket);
    return x->lazy->usage;
}

static int usage_make(struct vol_index *x, uint32_t bucket) {
    if (usage_find(x, bucket))
        return 0;
    struct usage *u = calloc(1, sizeof(*u));
    if (!u)
        return -ENOMEM;
    u->bucket = bucket;
    u->by_bucket.hash = bucket;
    if (lb_map_add(&x->usages, &u->by_bucket) == 0)
        return 0;
    free(u);
    return -ENOMEM;
}

static void usage_drop_empty(struct vol_index *x, uint32_t bucket) {
    struct usage *u = usage_find(x, bucket);
    if (!u || u->entries)
        return;
    lb_map_remove(&x->usages, &u->by_bucket);
    x->lazy->usage = NULL;
    free(u);
}

/* Counts an entry as it is now, or no longer. */
static void count(struct vol_index *x, const struct vol_entry *e, bool in) {
    struct usage *u = usage_find(x, e->bucket);
    u->entries += in ? 1 : -(uint64_t)1;
    x->len += in ? 1 : -(size_t)1;
    if (e->flags & (VOL_MARKER | VOL_OLD | VOL_PART))
        return;
    u->objects += in ? 1 : -(uint64_t)1;
    u->bytes += in ? vol_entry_size(e) : -vol_entry_size(e);
}

void vol_index_usage(const struct vol_index *x, uint32_t bucket, uint64_t *ret_objects,
                     uint64_t *ret_bytes) {
    const struct usage *u = usage_find(x, bucket);
    *ret_objects = u ? u->objects : 0;
    *ret_bytes = u ? u->bytes : 0;
}

/* ---- finding ---- */

#define BATCH 64

/* Ends loading: hashes what was loaded. */
static void settle(const struct vol_index *x) {
    struct lazy *l = x->lazy;
    if (!l->loading)
        return;
    l->loading = false;
    vol_keys_size(&l->keys, l->last_keys);
    struct vol_order_at place;
    const struct vol_entry *before = NULL;
    for (uint32_t n = vol_order_first(&x->order, &place); n;) {
        uint32_t batch[BATCH], hash[BATCH];
        unsigned k = 0;
        for (; n && k < BATCH; n = vol_order_next(&x->order, &place)) {
            const struct vol_entry *e = entry_at(x, n);
            bool older = before && vol_entry_is(before, e->bucket, vol_entry_name(e));
            before = e;
            if (older)
                continue;
            batch[k] = n;
            hash[k] = e->chain;
            vol_keys_prefetch(&l->keys, hash[k++]);
        }
        for (unsigned i = 0; i < k; i++)
            vol_keys_fill(&l->keys, batch[i], hash[i]);
    }
}

/* The newest version of a key, or 0. */
static uint32_t newest(const struct vol_index *x, uint32_t bucket, struct lb_slice key) {
    settle(x);
    return vol_keys_find(&x->lazy->keys, bucket, key);
}

/* A version of a key whose newest is known, or 0. */
static uint32_t find_version(const struct vol_index *x, uint32_t first, uint32_t bucket,
                             struct lb_slice key, uint64_t seq) {
    if (!first)
        return 0;
    uint64_t first_seq = vol_entry_seq(entry_at(x, first));
    if (first_seq <= seq)
        return first_seq == seq ? first : 0;
    struct vol_entry_key k = {bucket, key, seq};
    struct vol_order_at place;
    uint32_t n = vol_order_seek(&x->order, &k, &place);
    return n && vol_entry_compare(entry_at(x, n), &k) == 0 ? n : 0;
}

/* The first version of a key, newest first, of whose flags under `mask` it is true that they are
 * `flags`; or 0. */
static uint32_t find_flags(const struct vol_index *x, uint32_t bucket, struct lb_slice key,
                           uint8_t mask, uint8_t flags) {
    uint32_t n = newest(x, bucket, key);
    if (!n || (entry_at(x, n)->flags & mask) == flags)
        return n;
    struct vol_entry_key k = {bucket, key, vol_entry_seq(entry_at(x, n))};
    struct vol_order_at place;
    n = vol_order_seek(&x->order, &k, &place);
    while (n && (entry_at(x, n)->flags & mask) != flags) {
        n = vol_order_next(&x->order, &place);
        if (n && !vol_entry_is(entry_at(x, n), bucket, key))
            return 0;
    }
    return n;
}

static int hand_out(const struct vol_index *x, uint32_t n, struct vol_object *ret) {
    if (!n)
        return -ENOENT;
    struct lazy *l = x->lazy;
    vol_entry_unpack(entry_at(x, n), ret, &l->singles[l->next_single++ % VOL_INDEX_SINGLES]);
    return 0;
}

int vol_index_current(const struct vol_index *x, uint32_t bucket, struct lb_slice key,
                      struct vol_object *ret) {
    return hand_out(x, find_flags(x, bucket, key, VOL_OLD | VOL_PART, 0), ret);
}

int vol_index_version(const struct vol_index *x, uint32_t bucket, struct lb_slice key, uint64_t seq,
                      struct vol_object *ret) {
    return hand_out(x, find_version(x, newest(x, bucket, key), bucket, key, seq), ret);
}

int vol_index_null(const struct vol_index *x, uint32_t bucket, struct lb_slice key,
                   struct vol_object *ret) {
    return hand_out(x, find_flags(x, bucket, key, VOL_NULL, VOL_NULL), ret);
}

/* ---- in order ---- */

static int hand_out_at(const struct vol_index *x, uint32_t n, struct vol_order_at place,
                       struct vol_object *ret) {
    int err = hand_out(x, n, ret);
    if (err)
        return err;
    ret->place.changes = x->changes;
    ret->place.leaf = place.leaf;
    ret->place.i = place.i;
    return 0;
}

int vol_index_seek(const struct vol_index *x, uint32_t bucket, struct lb_slice key, uint64_t seq,
                   struct vol_object *ret) {
    settle(x);
    struct vol_entry_key k = {bucket, key, seq};
    struct vol_order_at place = {0, 0};
    uint32_t n = vol_order_seek(&x->order, &k, &place);
    return hand_out_at(x, n, place, ret);
}

int vol_index_next(const struct vol_index *x, const struct vol_object *at, struct vol_object *ret) {
    settle(x);
    struct vol_order_at place = {at->place.leaf, at->place.i};
    uint32_t n;
    if (at->place.changes == x->changes) {
        n = vol_order_next(&x->order, &place);
    } else {
        struct vol_entry_key k = {at->bucket, at->key, at->seq};
        n = vol_order_seek(&x->order, &k, &place);
        if (n && vol_entry_compare(entry_at(x, n), &k) == 0)
            n = vol_order_next(&x->order, &place);
    }
    return hand_out_at(x, n, place, ret);
}

/* ---- changing ---- */

/* Names a new entry in the order and among the keys. *ret_old: the one it replaces, or 0. */
static int link_entry(struct vol_index *x, const struct vol_object *o, uint32_t n,
                      uint32_t *ret_old) {
    struct vol_keys *keys = &x->lazy->keys;
    struct vol_entry_key k = {o->bucket, o->key, o->seq};
    uint32_t first = newest(x, o->bucket, o->key);
    uint32_t old = find_version(x, first, o->bucket, o->key, o->seq);
    if (old) {
        vol_order_set(&x->order, &k, n);
    } else {
        if (!first && vol_keys_need(keys, keys->len + 1) < 0)
            return -ENOMEM;
        if (vol_order_add(&x->order, n, &k) < 0)
            return -ENOMEM;
    }
    if (!first)
        vol_keys_add(keys, n);
    else if (first == old || vol_entry_seq(entry_at(x, first)) < o->seq)
        vol_keys_replace(keys, first, n);
    *ret_old = old;
    return 0;
}

int vol_index_put(struct vol_index *x, const struct vol_object *o) {
    uint32_t n, old;
    settle(x);
    if (usage_make(x, o->bucket) < 0)
        return -ENOMEM;
    int err = vol_entry_new(&x->slab, o, &n);
    if (err)
        goto out;
    x->changes++;
    err = link_entry(x, o, n, &old);
    if (err) {
        vol_entry_give(&x->slab, n);
        goto out;
    }
    count(x, entry_at(x, n), true);
    if (old) {
        count(x, entry_at(x, old), false);
        vol_entry_give(&x->slab, old);
    }
out:
    usage_drop_empty(x, o->bucket);
    return err;
}

int vol_index_remove(struct vol_index *x, uint32_t bucket, struct lb_slice key, uint64_t seq) {
    struct vol_keys *keys = &x->lazy->keys;
    struct vol_entry_key k = {bucket, key, seq};
    uint32_t first = newest(x, bucket, key), next;
    uint32_t n = vol_order_remove(&x->order, &k, &next);
    x->changes++;
    if (!n)
        return -ENOENT;
    if (n == first && next && vol_entry_is(entry_at(x, next), bucket, key))
        vol_keys_replace(keys, n, next);
    else if (n == first)
        vol_keys_remove(keys, n);
    count(x, entry_at(x, n), false);
    vol_entry_give(&x->slab, n);
    usage_drop_empty(x, bucket);
    return 0;
}

int vol_index_set_flags(struct vol_index *x, uint32_t bucket, struct lb_slice key, uint64_t seq,
                        uint8_t flags) {
    uint32_t n = find_version(x, newest(x, bucket, key), bucket, key, seq);
    if (!n)
        return -ENOENT;
    count(x, entry_at(x, n), false);
    entry_at(x, n)->flags = flags;
    count(x, entry_at(x, n), true);
    return 0;
}

int vol_index_set_pack(struct vol_index *x, uint32_t bucket, struct lb_slice key, uint64_t seq,
                       uint64_t pack, uint32_t at, uint32_t len) {
    uint32_t n = find_version(x, newest(x, bucket, key), bucket, key, seq);
    return n ? vol_entry_set_pack(entry_at(x, n), pack, at, len) : -ENOENT;
}

int vol_index_load(struct vol_index *x, const struct vol_object *o) {
    struct lazy *l = x->lazy;
    struct vol_entry_key k = {o->bucket, o->key, o->seq};
    uint32_t n;
    if (!l->loading && x->len)
        return vol_index_put(x, o);
    if (!l->loading) {
        l->loading = true;
        l->last = 0;
        l->last_keys = 0;
    }
    const struct vol_entry *last = l->last ? entry_at(x, l->last) : NULL;
    if (last && vol_entry_compare(last, &k) >= 0)
        return vol_index_put(x, o);
    if (usage_make(x, o->bucket) < 0 || vol_keys_need(&l->keys, l->last_keys + 1) < 0)
        return -ENOMEM;
    int err = vol_entry_new(&x->slab, o, &n);
    if (err)
        return err;
    x->changes++;
    if (vol_order_append(&x->order, n) < 0) {
        vol_entry_give(&x->slab, n);
        return -ENOMEM;
    }
    entry_at(x, n)->chain = vol_keys_hash(o->bucket, o->key);
    l->last_keys += !last || !vol_entry_is(last, o->bucket, o->key);
    l->last = n;
    count(x, entry_at(x, n), true);
    return 0;
}

/* ---- the whole ---- */

size_t vol_index_len(const struct vol_index *x) {
    return x->len;
}

size_t vol_index_memory(const struct vol_index *x) {
    return sizeof(*x) + sizeof(*x->lazy) + vol_slab_memory(&x->slab) +
           vol_keys_memory(&x->lazy->keys) +
           x->usages.len * (sizeof(struct usage) + sizeof(struct lb_map_node *));
}

bool vol_index_check(const struct vol_index *x) {
    settle(x);
    if (!vol_order_check(&x->order) || !vol_keys_check(&x->lazy->keys))
        return false;
    size_t n = 0, keys = 0;
    struct vol_order_at place;
    const struct vol_entry *before = NULL;
    for (uint32_t i = vol_order_first(&x->order, &place); i; n++) {
        const struct vol_entry *e = entry_at(x, i);
        struct vol_entry_key k = {e->bucket, vol_entry_name(e), vol_entry_seq(e)};
        if (before && vol_entry_compare(before, &k) >= 0)
            return false;
        if (!before || !vol_entry_is(before, k.bucket, k.key)) {
            keys++;
            if (vol_keys_find(&x->lazy->keys, k.bucket, k.key) != i)
                return false;
        }
        before = e;
        i = vol_order_next(&x->order, &place);
    }
    return n == x->len && keys == x->lazy->keys.len;
}

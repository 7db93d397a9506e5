/* What is in memory until its pack is written, and what readers hold. Under the lock. */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "engine/volume/volume_priv.h"

/* ---- staged records ---- */

struct vol_staged *vol_staged_new(const struct vol_record *r, struct lb_slice encoded) {
    const struct lb_slice key = r->object.key;
    struct vol_staged *s = malloc(sizeof(*s) + encoded.len + key.len);
    if (!s)
        return NULL;
    char *bytes = (char *)(s + 1);
    *s = (struct vol_staged){.seq = r->object.seq, .bucket = r->bucket, .readers = 1, .gone = true};
    memcpy(bytes, encoded.ptr, encoded.len);
    if (key.len)
        memcpy(bytes + encoded.len, key.ptr, key.len);
    s->record = lb_slice(bytes, encoded.len);
    s->key = lb_slice(bytes + encoded.len, key.len);
    lb_list_init(&s->link);
    return s;
}

struct vol_staged *vol_staged_find(struct vol_engine *v, uint64_t seq) {
    struct lb_map_node *n = lb_map_find(&v->staged, vol_hash_u64(seq), &seq);
    return n ? LB_CONTAINER_OF(n, struct vol_staged, by_seq) : NULL;
}

void vol_staged_put(struct vol_engine *v, struct vol_staged *s) {
    if (--s->readers == 0 && s->gone)
        free(s);
}

void vol_staged_drop(struct vol_engine *v, struct vol_staged *s) {
    lb_map_remove(&v->staged, &s->by_seq);
    lb_list_remove(&s->link);
    v->staged_bytes -= s->record.len;
    s->gone = true;
    s->readers++;
    vol_staged_put(v, s);
}

void vol_staged_add(struct vol_engine *v, struct vol_staged *s) {
    struct vol_staged *old = vol_staged_find(v, s->seq);
    if (old)
        vol_staged_drop(v, old);
    s->by_seq.hash = vol_hash_u64(s->seq);
    s->gone = lb_map_add(&v->staged, &s->by_seq) < 0;
    if (!s->gone) {
        lb_list_append(&v->staged_order, &s->link);
        v->staged_bytes += s->record.len;
    }
    vol_staged_put(v, s);
}

/* ---- holds ---- */

static struct vol_hold *hold_find(struct vol_engine *v, uint64_t key) {
    struct lb_map_node *n = lb_map_find(&v->holds, vol_hash_u64(key), &key);
    return n ? LB_CONTAINER_OF(n, struct vol_hold, by_key) : NULL;
}

struct vol_hold *vol_hold(struct vol_engine *v, uint64_t key) {
    struct vol_hold *h = hold_find(v, key);
    if (!h) {
        h = calloc(1, sizeof(*h));
        if (!h)
            return NULL;
        h->key = key;
        h->by_key.hash = vol_hash_u64(key);
        if (lb_map_add(&v->holds, &h->by_key) < 0) {
            free(h);
            return NULL;
        }
    }
    h->readers++;
    return h;
}

static void give(struct vol_engine *v, struct vol_extent e, uint64_t position) {
    if (vol_alloc_give_later(v->alloc, e, position) < 0)
        lb_warn("no memory: units come back with the next start", LB_LOG_I("units", e.n));
}

void vol_unhold(struct vol_engine *v, struct vol_hold *h) {
    if (--h->readers)
        return;
    for (size_t i = 0; i < h->freed_n; i++)
        give(v, h->freed[i], h->position);
    if (h->freed_n)
        vol_alloc_settled(v->alloc, v->journal.flushed);
    lb_map_remove(&v->holds, &h->by_key);
    free(h->freed);
    free(h);
}

void vol_release_extents(struct vol_engine *v, uint64_t key, const struct vol_extent *e, size_t n,
                         uint64_t position) {
    if (!v->alloc || n == 0)
        return;
    struct vol_hold *h = hold_find(v, key);
    if (!h) {
        for (size_t i = 0; i < n; i++)
            give(v, e[i], position);
        return;
    }
    struct vol_extent *all = realloc(h->freed, (h->freed_n + n) * sizeof(*all));
    if (!all) {
        lb_warn("no memory: units come back with the next start", LB_LOG_I("extents", n));
        return;
    }
    memcpy(all + h->freed_n, e, n * sizeof(*e));
    h->freed = all;
    h->freed_n += n;
    h->position = position;
}

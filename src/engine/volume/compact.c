/* Compaction: the live records of a pack that is mostly dead are put again, unchanged, so that they
 * go to the next pack and this one is freed with the last of them. */
#include <errno.h>

#include "base/log.h"
#include "engine/volume/keeper.h"
#include "engine/volume/ops_priv.h"

struct move {
    struct vol_change change;
    struct vol_record record; /* as it is in the pack */
    uint64_t pack;
    uint32_t at;
};

struct compaction {
    struct vol_extent extent;
    struct vol_hold *hold;
    struct lb_buf bytes;
    struct lb_arena arena;
};

/* The last unit may be full or not: without it. */
static bool half_dead(const struct vol_pack *p) {
    return !p->unreadable && 2 * p->live < (p->extent.n - 1) * VOL_UNIT;
}

/* Under the lock. What waits already comes first. */
static bool room(const struct vol_engine *v) {
    const struct vol_journal *j = &v->journal;
    return !j->failed && !v->stopping && j->at - j->tail <= v->super.journal_units / 2 &&
           v->staged_bytes <= v->conf.staged_max;
}

/* Under the lock. */
static bool choose(struct vol_engine *v, struct compaction *c) {
    struct lb_map_node *n = room(v) ? lb_map_first(&v->packs) : NULL;
    for (; n; n = lb_map_next(&v->packs, n)) {
        const struct vol_pack *p = LB_CONTAINER_OF(n, struct vol_pack, by_unit);
        if (!half_dead(p))
            continue;
        c->extent = p->extent;
        c->hold = vol_hold(v, VOL_HOLD_PACK | p->extent.first);
        return c->hold != NULL;
    }
    return false;
}

static bool live(const struct vol_engine *v, const struct move *m) {
    const struct vol_object *o = &m->record.object;
    struct vol_object now;
    return vol_index_version(v->index, m->record.bucket, o->key, o->seq, &now) == 0 &&
           now.pack == m->pack && now.pack_at == m->at;
}

static int decide(struct vol_engine *v, struct vol_change *c) {
    struct move *m = LB_CONTAINER_OF(c, struct move, change);
    if (!live(v, m))
        return 1;
    c->record = m->record;
    return 0;
}

/* Returns 1 to go on, 0 when there is no room any more, or an error. */
static int move(struct vol_engine *v, struct move *m) {
    pthread_mutex_lock(&v->lock);
    bool go = room(v), wanted = live(v, m);
    pthread_mutex_unlock(&v->lock);
    if (!go || !wanted)
        return go;
    m->change =
        (struct vol_change){.key_hash = vol_key_hash(m->record.bucket, m->record.object.key),
                            .keeper = true,
                            .decide = decide};
    int err = vol_journal_now(v, &m->change);
    return err ? err : 1;
}

static int move_all(struct vol_engine *v, struct compaction *c, struct lb_slice rest) {
    int rc = 1;
    while (rest.len && rc > 0) {
        struct move m = {.pack = c->extent.first, .at = (uint32_t)(rest.ptr - c->bytes.ptr)};
        int err = vol_pack_record(&rest, &c->arena, &m.record);
        if (err)
            return err;
        rc = move(v, &m);
        lb_arena_reset(&c->arena);
    }
    return rc < 0 ? rc : 1;
}

static int compact(struct vol_engine *v, struct compaction *c) {
    size_t len = c->extent.n * VOL_UNIT;
    struct lb_slice records;
    uint64_t seq;
    uint32_t n;
    int err = vol_buf_aligned(&c->bytes, c->extent.n);
    if (!err)
        err = v->device->ops->read_now(v->device, c->extent.first, c->bytes.ptr, len);
    if (!err)
        err = vol_pack_decode(lb_slice(c->bytes.ptr, len), v->super.id, &seq, &n, &records);
    return err ? err : move_all(v, c, records);
}

/* Not again before a restart. */
static void give_up(struct vol_engine *v, uint64_t unit, int err) {
    lb_error("a pack can't be read", LB_LOG_I("unit", unit), LB_LOG_C("reason", lb_err_name(err)));
    pthread_mutex_lock(&v->lock);
    struct vol_pack *p = vol_pack_find(v, unit);
    v->damaged++;
    if (p)
        p->unreadable = true;
    pthread_mutex_unlock(&v->lock);
}

int vol_compact(struct vol_engine *v) {
    struct compaction c = {0};
    pthread_mutex_lock(&v->lock);
    bool found = choose(v, &c);
    pthread_mutex_unlock(&v->lock);
    if (!found)
        return 0;
    lb_arena_init(&c.arena, 4 * VOL_PACK_MAX);
    int rc = compact(v, &c);
    if (rc == -EBADMSG || rc == -EIO)
        give_up(v, c.extent.first, rc);
    lb_arena_fini(&c.arena);
    lb_buf_fini(&c.bytes);
    pthread_mutex_lock(&v->lock);
    vol_unhold(v, c.hold);
    pthread_mutex_unlock(&v->lock);
    return rc;
}

/* Removing, and changing what is said about an object. */
#include <errno.h>
#include <stdlib.h>

#include "engine/volume/ops_priv.h"

#define TRIES_MAX 64 /* of a change to an object that changes all the time */

/* ---- remove ---- */

/* A removal without a version in a bucket that has them: a marker is put. */
static int decide_marker(struct vol_engine *v, struct vol_change *c, uint32_t bucket) {
    struct lb_engine_op *op = vol_call_of(c)->op;
    int err = vol_room(v);
    if (err)
        return err;
    c->record = (struct vol_record){.kind = VOL_REC_PUT, .bucket = bucket};
    struct vol_object *o = &c->record.object;
    *o = (struct vol_object){.bucket = bucket,
                             .key = op->key,
                             .seq = c->seq,
                             .mtime_ns = c->wall_ns,
                             .flags = VOL_MARKER};
    if (op->versioning == LB_VERSIONING_SUSPENDED)
        o->flags |= VOL_NULL;
    vol_info(o, &op->info);
    return 0;
}

static int decide_remove(struct vol_engine *v, struct vol_change *c) {
    struct lb_engine_op *op = vol_call_of(c)->op;
    const struct vol_bucket *b = vol_bucket_find(v, op->bucket);
    struct vol_object o;
    op->info = (struct lb_object_info){0};
    if (!b)
        return LB_ERR_NO_SUCH_BUCKET;
    int err = vol_precond(v, b->number, op->key, op);
    if (err)
        return err;
    if (op->version.len == 0 && op->versioning != LB_VERSIONING_OFF)
        return decide_marker(v, c, b->number);
    if (vol_version_find(v, b->number, op->key, op->version, &o) < 0)
        return 1;
    if (op->version.len)
        vol_info(&o, &op->info);
    c->record = (struct vol_record){.kind = VOL_REC_REMOVE,
                                    .bucket = b->number,
                                    .object = {.bucket = b->number, .key = op->key, .seq = o.seq}};
    return 0;
}

/* The bucket's number may be another by the time it is decided: two changes of one key in a batch
 * would need both numbers, and a bucket that goes is alone in its batch. */
static uint64_t hash_of(struct lb_engine_port *p, const struct lb_engine_op *op) {
    struct vol_engine *v = vol_of(p);
    pthread_mutex_lock(&v->lock);
    const struct vol_bucket *b = vol_bucket_find(v, op->bucket);
    uint32_t number = b ? b->number : 0;
    pthread_mutex_unlock(&v->lock);
    return vol_key_hash(number, op->key);
}

void vol_remove(struct lb_engine_port *p, struct lb_engine_op *op) {
    int err = vol_key_check(op->key);
    if (err)
        vol_complete(p, op, err);
    else
        vol_call(p, op, hash_of(p, op), false, decide_remove);
}

/* ---- set_meta ---- */

/* The whole record is put again with the same sequence number; it is loaded first, and must not
 * have changed when the change is decided. */
struct meta_change {
    struct vol_change c;
    struct vol_load load;
    struct lb_arena arena;
    struct lb_engine_op *op;
    struct vol_object found;
    unsigned tries;
};

#define RECORD_MEMORY_MAX (16u << 20)

static void meta_end(struct meta_change *m, int err, bool later) {
    struct lb_engine_op *op = m->op;
    struct lb_engine_port *p = m->load.port;
    lb_arena_fini(&m->arena);
    free(m);
    if (later)
        vol_complete(p, op, err);
    else
        op->done(op, err);
}

static void meta_begin(struct meta_change *m, bool later);

static void meta_again(struct meta_change *m, bool later) {
    if (++m->tries == TRIES_MAX)
        meta_end(m, LB_ERR_SLOW_DOWN, later);
    else
        meta_begin(m, later);
}

/* Is the record that was loaded still the version's newest? */
static bool unchanged(struct vol_engine *v, const struct meta_change *m,
                      const struct vol_object *o) {
    if (o->seq != m->load.seq || o->pack != m->load.pack)
        return false;
    return o->pack ? o->pack_at == m->load.pack_at : vol_staged_find(v, o->seq) == m->load.staged;
}

static int decide_meta(struct vol_engine *v, struct vol_change *c) {
    struct meta_change *m = LB_CONTAINER_OF(c, struct meta_change, c);
    struct lb_engine_op *op = m->op;
    struct vol_object o;
    int err = vol_object_find(v, op, &o);
    if (!err)
        err = vol_precond(v, o.bucket, op->key, op);
    if (err)
        return err;
    if (!unchanged(v, m, &o))
        return -EAGAIN;
    if (op->if_same && !lb_slice_eq(op->was, m->load.record.object.meta))
        return LB_ERR_PRECONDITION_FAILED;
    err = vol_room(v);
    if (err)
        return err;
    c->record = m->load.record;
    c->record.object.meta = op->meta;
    c->record.object.meta_len = (uint32_t)op->meta.len;
    vol_info(&o, &op->info);
    op->info.meta = op->meta;
    return 0;
}

static void meta_done(struct vol_change *c, int err) {
    struct meta_change *m = LB_CONTAINER_OF(c, struct meta_change, c);
    if (err == -EAGAIN)
        meta_again(m, false);
    else
        meta_end(m, err, false);
}

static void meta_submit(struct meta_change *m) {
    m->c = (struct vol_change){.key_hash = vol_key_hash(m->found.bucket, m->op->key),
                               .sync = !m->op->relaxed,
                               .decide = decide_meta,
                               .done = meta_done};
    vol_journal_submit(vol_of(m->load.port), vol_loop_of(m->load.port), &m->c);
}

static void meta_loaded(struct vol_load *l, int err) {
    struct meta_change *m = LB_CONTAINER_OF(l, struct meta_change, load);
    if (err == -ENOENT)
        meta_again(m, false);
    else if (err)
        meta_end(m, err, false);
    else
        meta_submit(m);
}

static void meta_begin(struct meta_change *m, bool later) {
    struct vol_engine *v = vol_of(m->load.port);
    lb_arena_reset(&m->arena);
    pthread_mutex_lock(&v->lock);
    int rc = vol_object_find(v, m->op, &m->found);
    pthread_mutex_unlock(&v->lock);
    if (rc == 0) {
        m->load.bucket = m->found.bucket;
        m->load.key = m->op->key;
        m->load.seq = m->found.seq;
        rc = vol_load(&m->load);
        if (rc > 0)
            return;
        if (rc == 0) {
            meta_submit(m);
            return;
        }
    }
    if (rc == -ENOENT)
        meta_again(m, later);
    else
        meta_end(m, rc, later);
}

void vol_set_meta(struct lb_engine_port *p, struct lb_engine_op *op) {
    struct meta_change *m = op->meta.len > LB_META_MAX ? NULL : calloc(1, sizeof(*m));
    if (!m) {
        vol_complete(p, op, op->meta.len > LB_META_MAX ? LB_ERR_METADATA_TOO_LARGE : -ENOMEM);
        return;
    }
    lb_arena_init(&m->arena, RECORD_MEMORY_MAX);
    m->op = op;
    m->load.port = p;
    m->load.arena = &m->arena;
    m->load.done = meta_loaded;
    meta_begin(m, true);
}

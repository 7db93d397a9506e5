/* Lists: by seeking in the index. What lies behind a common prefix is not walked. The lock is given
 * up now and then, so that a walk over many markers holds up no one. */
#include <errno.h>
#include <stdlib.h>

#include "engine/volume/ops_priv.h"

#define STEPS_MAX 2048u /* entries looked at under the lock at a time */
#define KEY_ROOM (LB_KEY_MAX + 1)

/* ---- meta blobs that the index does not hold ---- */

static void metas_next(struct vol_metas *m, bool later);

static void metas_end(struct vol_metas *m, int err, bool later) {
    struct lb_engine_op *op = m->op;
    struct lb_engine_port *p = m->load.port;
    lb_arena_fini(&m->arena);
    free(m->wants);
    free(m);
    if (later)
        vol_complete(p, op, err);
    else
        op->done(op, err);
}

/* One that is gone meanwhile is listed without. */
static int metas_take(struct vol_metas *m, int err) {
    if (!err)
        err = lb_arena_copy(m->op->arena, m->load.record.object.meta, m->wants[m->at].ret);
    m->at++;
    return err == -ENOENT ? 0 : err;
}

static void on_meta(struct vol_load *l, int err) {
    struct vol_metas *m = LB_CONTAINER_OF(l, struct vol_metas, load);
    err = metas_take(m, err);
    if (err)
        metas_end(m, err, false);
    else
        metas_next(m, false);
}

static void metas_next(struct vol_metas *m, bool later) {
    int err = 0;
    while (!err && m->at < m->n) {
        const struct vol_want *want = &m->wants[m->at];
        lb_arena_reset(&m->arena);
        m->load.bucket = want->bucket;
        m->load.key = want->key;
        m->load.seq = want->seq;
        err = vol_load(&m->load);
        if (err > 0)
            return;
        err = metas_take(m, err);
    }
    metas_end(m, err, later);
}

struct vol_metas *vol_metas_new(struct lb_engine_port *p, struct lb_engine_op *op, size_t max) {
    struct vol_metas *m = calloc(1, sizeof(*m));
    if (!m)
        return NULL;
    m->wants = calloc(max, sizeof(*m->wants));
    if (!m->wants) {
        free(m);
        return NULL;
    }
    lb_arena_init(&m->arena, 16u << 20);
    m->op = op;
    m->load.port = p;
    m->load.arena = &m->arena;
    m->load.done = on_meta;
    return m;
}

int vol_metas_add(struct vol_metas *m, const struct vol_object *o, struct lb_slice key,
                  struct lb_slice *ret) {
    if (o->meta_len <= VOL_META_INLINE)
        return lb_arena_copy(m->op->arena, o->meta, ret);
    m->wants[m->n++] =
        (struct vol_want){.bucket = o->bucket, .key = key, .seq = o->seq, .ret = ret};
    return 0;
}

void vol_metas_run(struct vol_metas *m, int err) {
    if (err)
        metas_end(m, err, true);
    else
        metas_next(m, true);
}

/* ---- the walk ---- */

struct walk {
    struct vol_engine *v;
    struct lb_engine_op *op;
    struct vol_metas *metas;
    uint32_t bucket;
    char key[KEY_ROOM]; /* where it goes on */
    size_t key_len;
    uint64_t seq;
    bool done;
};

static void go_to(struct walk *w, struct lb_slice key, uint64_t seq) {
    w->key_len = key.len < KEY_ROOM ? key.len : KEY_ROOM;
    if (w->key_len)
        memmove(w->key, key.ptr, w->key_len);
    w->seq = seq;
}

/* Behind all keys that begin so. */
static void go_behind(struct walk *w, struct lb_slice prefix) {
    go_to(w, prefix, UINT64_MAX);
    while (w->key_len && (unsigned char)w->key[w->key_len - 1] == 0xff)
        w->key_len--;
    if (w->key_len)
        w->key[w->key_len - 1]++;
    else
        w->done = true;
}

/* Behind the version that a page of versions ended with. */
static uint64_t after_version(const struct walk *w) {
    const struct lb_engine_op *op = w->op;
    struct vol_object o;
    uint64_t seq;
    if (lb_slice_eq(op->after_id, LB_S("null"))) {
        bool there = vol_index_null(w->v->index, w->bucket, op->after, &o) == 0;
        return there && o.seq ? o.seq - 1 : UINT64_MAX;
    }
    return vol_id_parse(op->after_id, &seq) == 0 && seq ? seq - 1 : 0;
}

static void begin(struct walk *w) {
    const struct lb_engine_op *op = w->op;
    if (op->after.len == 0 || lb_slice_cmp(op->after, op->prefix) < 0)
        go_to(w, op->prefix, UINT64_MAX);
    else
        go_to(w, op->after, op->versions && op->after_id.len ? after_version(w) : 0);
}

/* The common prefix of a key, or the empty slice. */
static struct lb_slice common_prefix(const struct lb_engine_op *op, struct lb_slice key) {
    if (op->delimiter.len == 0)
        return LB_S("");
    ptrdiff_t at = lb_slice_find_slice(lb_slice_from(key, op->prefix.len), op->delimiter);
    return at < 0 ? LB_S("") : lb_slice_first(key, op->prefix.len + (size_t)at + op->delimiter.len);
}

static struct lb_list_entry *add(struct walk *w, struct lb_slice key, int *ret_err) {
    struct lb_list_result *list = &w->op->list;
    list->truncated = list->n == w->op->max;
    w->done = list->truncated;
    if (w->done)
        return NULL;
    struct lb_list_entry *e = &list->entries[list->n];
    *e = (struct lb_list_entry){0};
    *ret_err = lb_arena_copy(w->op->arena, key, &e->key);
    list->n += *ret_err == 0;
    return *ret_err ? NULL : e;
}

static int add_prefix(struct walk *w, struct lb_slice prefix) {
    const struct lb_engine_op *op = w->op;
    int err = 0;
    bool skip =
        lb_slice_ends_with(op->after, op->delimiter) && lb_slice_starts_with(op->after, prefix);
    struct lb_list_entry *e = skip ? NULL : add(w, prefix, &err);
    if (e)
        e->is_prefix = true;
    if (!w->done)
        go_behind(w, prefix);
    return err;
}

static int add_version(struct walk *w, const struct vol_object *o) {
    int err = 0;
    struct lb_list_entry *e = add(w, o->key, &err);
    if (!e)
        return err;
    vol_info(o, &e->info);
    e->info.latest = w->op->versions && !(o->flags & VOL_OLD);
    return w->metas ? vol_metas_add(w->metas, o, e->key, &e->info.meta) : 0;
}

/* Shows an entry, or does not, and moves the walk behind it and what goes with it. Returns 1 when
 * that is a jump. */
static int visit(struct walk *w, const struct vol_object *o) {
    const struct lb_engine_op *op = w->op;
    bool old = o->flags & VOL_OLD && !op->versions;
    if (old || (o->flags & VOL_MARKER && !op->versions)) {
        go_to(w, o->key, 0);
        return 1;
    }
    struct lb_slice prefix = common_prefix(op, o->key);
    int err = prefix.len ? add_prefix(w, prefix) : add_version(w, o);
    if (err || w->done)
        return err;
    if (!prefix.len)
        go_to(w, o->key, o->seq - 1);
    return prefix.len > 0;
}

/* Looks at entries, at most so many. */
static int steps(struct walk *w) {
    struct vol_index *x = w->v->index;
    struct vol_object o;
    int rc = 1;
    for (unsigned i = 0; i < STEPS_MAX && rc >= 0 && !w->done; i++) {
        struct lb_slice key = lb_slice(w->key, w->key_len);
        int err = rc ? vol_index_seek(x, w->bucket, key, w->seq, &o) : vol_index_next(x, &o, &o);
        if (err || o.bucket != w->bucket || !lb_slice_starts_with(o.key, w->op->prefix))
            w->done = true;
        else
            rc = visit(w, &o);
    }
    return rc < 0 ? rc : 0;
}

static int walk(struct walk *w) {
    pthread_mutex_lock(&w->v->lock);
    const struct vol_bucket *b = vol_bucket_find(w->v, w->op->bucket);
    int err = b ? 0 : LB_ERR_NO_SUCH_BUCKET;
    if (b) {
        w->bucket = b->number;
        begin(w);
    }
    while (!err && !w->done) {
        err = steps(w);
        pthread_mutex_unlock(&w->v->lock);
        pthread_mutex_lock(&w->v->lock);
    }
    pthread_mutex_unlock(&w->v->lock);
    return err;
}

void vol_list(struct lb_engine_port *p, struct lb_engine_op *op) {
    struct walk w = {.v = vol_of(p), .op = op};
    op->list = (struct lb_list_result){0};
    op->list.entries = lb_arena_alloc(op->arena, op->max * sizeof(*op->list.entries));
    if (op->want_meta)
        w.metas = vol_metas_new(p, op, op->max);
    int err = op->list.entries && (w.metas || !op->want_meta) ? walk(&w) : -ENOMEM;
    if (w.metas)
        vol_metas_run(w.metas, err);
    else
        vol_complete(p, op, err);
}

/* Operations on buckets. What decides on all of a bucket is alone in its batch. */
#include <errno.h>
#include <stdlib.h>

#include "engine/volume/format_priv.h"
#include "engine/volume/ops_priv.h"

static int decide_create(struct vol_engine *v, struct vol_change *c) {
    const struct lb_engine_op *op = vol_call_of(c)->op;
    if (vol_bucket_find(v, op->bucket))
        return LB_ERR_BUCKET_EXISTS;
    if (v->next_bucket == VOL_PARTS_BUCKET)
        return LB_ERR_STORAGE_FULL;
    c->record = (struct vol_record){.kind = VOL_REC_BUCKET,
                                    .bucket = v->next_bucket,
                                    .name = op->bucket,
                                    .created_ns = c->wall_ns,
                                    .blob = op->settings};
    return 0;
}

void vol_bucket_create(struct lb_engine_port *p, struct lb_engine_op *op) {
    if (op->bucket.len == 0 || op->bucket.len > VOL_BUCKET_NAME_MAX ||
        memchr(op->bucket.ptr, '\0', op->bucket.len))
        vol_complete(p, op, LB_ERR_INVALID_BUCKET_NAME);
    else if (op->settings.len > LB_META_MAX)
        vol_complete(p, op, LB_ERR_INVALID_ARGUMENT);
    else
        vol_call(p, op, 0, true, decide_create);
}

static int decide_delete(struct vol_engine *v, struct vol_change *c) {
    const struct vol_bucket *b = vol_bucket_find(v, vol_call_of(c)->op->bucket);
    struct vol_object o;
    if (!b)
        return LB_ERR_NO_SUCH_BUCKET;
    if (vol_index_seek(v->index, b->number, LB_S(""), UINT64_MAX, &o) == 0 && o.bucket == b->number)
        return LB_ERR_BUCKET_NOT_EMPTY;
    c->record = (struct vol_record){.kind = VOL_REC_NO_BUCKET, .bucket = b->number};
    return 0;
}

void vol_bucket_delete(struct lb_engine_port *p, struct lb_engine_op *op) {
    vol_call(p, op, 0, true, decide_delete);
}

static int decide_set(struct vol_engine *v, struct vol_change *c) {
    const struct lb_engine_op *op = vol_call_of(c)->op;
    const struct vol_bucket *b = vol_bucket_find(v, op->bucket);
    if (!b)
        return LB_ERR_NO_SUCH_BUCKET;
    if (op->if_same && !lb_slice_eq(op->was, lb_slice(b->settings, b->settings_len)))
        return LB_ERR_PRECONDITION_FAILED;
    c->record = (struct vol_record){.kind = VOL_REC_BUCKET,
                                    .bucket = b->number,
                                    .name = op->bucket,
                                    .created_ns = b->created_ns,
                                    .blob = op->settings};
    return 0;
}

void vol_bucket_set(struct lb_engine_port *p, struct lb_engine_op *op) {
    if (op->settings.len > LB_META_MAX)
        vol_complete(p, op, LB_ERR_INVALID_ARGUMENT);
    else
        vol_call(p, op, lb_hash_bytes(op->bucket), false, decide_set);
}

static int fill(const struct vol_bucket *b, struct lb_arena *arena, struct lb_bucket_info *ret) {
    ret->created_ns = b->created_ns;
    int err = lb_arena_copy(arena, lb_slice_cstr(b->name), &ret->name);
    if (!err)
        err = lb_arena_copy(arena, lb_slice(b->settings, b->settings_len), &ret->settings);
    return err;
}

void vol_bucket_head(struct lb_engine_port *p, struct lb_engine_op *op) {
    struct vol_engine *v = vol_of(p);
    op->buckets = lb_arena_alloc(op->arena, sizeof(*op->buckets));
    pthread_mutex_lock(&v->lock);
    const struct vol_bucket *b = vol_bucket_find(v, op->bucket);
    int err = b ? -ENOMEM : LB_ERR_NO_SUCH_BUCKET;
    if (b && op->buckets)
        err = fill(b, op->arena, op->buckets);
    pthread_mutex_unlock(&v->lock);
    op->n = err ? 0 : 1;
    vol_complete(p, op, err);
}

static const struct vol_bucket *bucket_of(const struct lb_map_node *n) {
    return LB_CONTAINER_OF(n, const struct vol_bucket, by_name);
}

static int by_name(const void *a, const void *b) {
    const struct lb_map_node *const *x = a, *const *y = b;
    return strcmp(bucket_of(*x)->name, bucket_of(*y)->name);
}

static bool listed(const struct lb_engine_op *op, const struct lb_map_node *n) {
    struct lb_slice name = lb_slice_cstr(bucket_of(n)->name);
    return lb_slice_starts_with(name, op->prefix) && lb_slice_cmp(name, op->after) > 0;
}

static int fill_next(struct lb_engine_op *op, const struct lb_map_node *n) {
    return fill(bucket_of(n), op->arena, &op->buckets[op->n]);
}

static int list(struct vol_engine *v, struct lb_engine_op *op) {
    const struct vol_paging by = {&v->buckets, listed, by_name, fill_next};
    op->buckets = lb_arena_alloc(op->arena, op->max * sizeof(*op->buckets));
    return op->buckets ? vol_page(op, &by) : -ENOMEM;
}

void vol_bucket_list(struct lb_engine_port *p, struct lb_engine_op *op) {
    struct vol_engine *v = vol_of(p);
    op->n = 0;
    pthread_mutex_lock(&v->lock);
    int err = list(v, op);
    pthread_mutex_unlock(&v->lock);
    vol_complete(p, op, err);
}

bool vol_bucket_known(struct lb_engine_port *p, struct lb_slice bucket) {
    struct vol_engine *v = vol_of(p);
    pthread_mutex_lock(&v->lock);
    bool known = vol_bucket_find(v, bucket) != NULL;
    pthread_mutex_unlock(&v->lock);
    return known;
}

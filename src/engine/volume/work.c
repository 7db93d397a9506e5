/* What operations have in common: completing, changing, finding, moving bytes. */
#include <errno.h>
#include <stdlib.h>

#include "engine/volume/ops_priv.h"

static void completed(struct lb_io_op *io, int64_t res) {
    struct lb_engine_op *op = LB_CONTAINER_OF(io, struct lb_engine_op, run.io);
    op->done(op, (int)res);
}

void vol_complete(struct lb_engine_port *p, struct lb_engine_op *op, int err) {
    op->run.io.done = completed;
    lb_io_defer(p->io, &op->run.io, err);
}

int vol_key_check(struct lb_slice key) {
    if (key.len > LB_KEY_MAX)
        return LB_ERR_KEY_TOO_LONG;
    return key.len ? 0 : LB_ERR_INVALID_ARGUMENT;
}

uint64_t vol_key_hash(uint32_t bucket, struct lb_slice key) {
    return lb_hash_bytes(key) ^ vol_hash_u64(bucket);
}

/* ---- finding ---- */

void vol_version_text(const struct vol_object *o, struct lb_version_id *ret) {
    char id[VOL_UPLOAD_ID_LEN + 1] = "null";
    ret->len = 4;
    if (!(o->flags & VOL_NULL)) {
        vol_id_text(o->seq, id);
        ret->len = VOL_UPLOAD_ID_LEN;
    }
    memcpy(ret->text, id, ret->len);
}

void vol_info(const struct vol_object *o, struct lb_object_info *ret) {
    *ret = (struct lb_object_info){.size = o->size,
                                   .mtime_ns = o->mtime_ns,
                                   .etag = o->etag,
                                   .marker = (o->flags & VOL_MARKER) != 0};
    vol_version_text(o, &ret->version);
}

int vol_version_find(struct vol_engine *v, uint32_t bucket, struct lb_slice key,
                     struct lb_slice version, struct vol_object *ret) {
    uint64_t seq;
    if (version.len == 0)
        return vol_index_current(v->index, bucket, key, ret);
    if (lb_slice_eq(version, LB_S("null")))
        return vol_index_null(v->index, bucket, key, ret);
    if (vol_id_parse(version, &seq) < 0 || vol_index_version(v->index, bucket, key, seq, ret) < 0 ||
        (ret->flags & VOL_NULL))
        return -ENOENT;
    return 0;
}

int vol_object_find(struct vol_engine *v, struct lb_engine_op *op, struct vol_object *ret) {
    struct vol_bucket *b = vol_bucket_find(v, op->bucket);
    if (!b)
        return LB_ERR_NO_SUCH_BUCKET;
    if (vol_version_find(v, b->number, op->key, op->version, ret) < 0)
        return op->version.len ? LB_ERR_NO_SUCH_VERSION : LB_ERR_NO_SUCH_KEY;
    if (!(ret->flags & VOL_MARKER))
        return 0;
    vol_info(ret, &op->info);
    return op->version.len ? LB_ERR_METHOD_NOT_ALLOWED : LB_ERR_NO_SUCH_KEY;
}

int vol_precond(struct vol_engine *v, uint32_t bucket, struct lb_slice key,
                const struct lb_engine_op *op) {
    struct vol_object o;
    struct lb_object_info info;
    bool there = vol_version_find(v, bucket, key, op->version, &o) == 0 && !(o.flags & VOL_MARKER);
    if (there)
        vol_info(&o, &info);
    return lb_precond_check(&op->precond, there ? &info : NULL);
}

int vol_room(const struct vol_engine *v) {
    uint64_t need = vol_keep_free(v) + v->staged_bytes / VOL_UNIT + 1;
    return vol_alloc_free_units(v->alloc) < need ? LB_ERR_STORAGE_FULL : 0;
}

/* ---- an operation that is one change ---- */

static void called(struct vol_change *c, int err) {
    struct vol_call *call = vol_call_of(c);
    struct lb_engine_op *op = call->op;
    lb_buf_fini(&call->keys);
    free(call);
    op->done(op, err);
}

void vol_call(struct lb_engine_port *p, struct lb_engine_op *op, uint64_t key_hash, bool alone,
              int (*decide)(struct vol_engine *v, struct vol_change *c)) {
    struct vol_call *call = calloc(1, sizeof(*call));
    if (!call) {
        vol_complete(p, op, -ENOMEM);
        return;
    }
    call->op = op;
    call->c = (struct vol_change){.key_hash = key_hash,
                                  .alone = alone,
                                  .sync = !op->relaxed,
                                  .decide = decide,
                                  .done = called};
    vol_journal_submit(vol_of(p), vol_loop_of(p), &call->c);
}

/* ---- transfers ---- */

struct vol_part_io {
    struct vol_io io;
    struct vol_transfer *transfer;
};

static void part_done(struct vol_io *io, int err) {
    struct vol_transfer *t = LB_CONTAINER_OF(io, struct vol_part_io, io)->transfer;
    if (err && !t->err)
        t->err = err;
    if (--t->left == 0)
        t->done(t, t->err);
}

/* Extents from *i on that `left` units beginning at *unit of e[*i] cross. */
static size_t crossed(const struct vol_extent *e, size_t n, size_t *i, uint64_t *unit,
                      uint64_t left) {
    size_t count = 0;
    while (*i < n && *unit >= e[*i].n)
        *unit -= e[(*i)++].n;
    uint64_t at = *unit;
    for (size_t k = *i; k < n && left; k++, count++, at = 0) {
        uint64_t here = e[k].n - at;
        left -= here < left ? here : left;
    }
    return left ? 0 : count;
}

int vol_transfer(struct vol_transfer *t, struct vol_port *p, const struct vol_extent *e, size_t n,
                 uint64_t unit, void *buf, size_t len, bool write) {
    size_t i = 0;
    size_t count = crossed(e, n, &i, &unit, len / VOL_UNIT);
    if (count == 0)
        return -EINVAL;
    if (count > t->cap) {
        free(t->parts);
        t->parts = calloc(count, sizeof(*t->parts));
        t->cap = t->parts ? count : 0;
        if (!t->parts)
            return -ENOMEM;
    }
    t->left = (unsigned)count;
    t->err = 0;
    char *at = buf;
    for (size_t k = 0; k < count; k++, unit = 0) {
        struct vol_part_io *part = &t->parts[k];
        uint64_t here = (e[i + k].n - unit) * VOL_UNIT;
        size_t take = here < len ? (size_t)here : len;
        part->transfer = t;
        part->io.done = part_done;
        if (write)
            p->device->ops->write(p, &part->io, e[i + k].first + unit, at, take);
        else
            p->device->ops->read(p, &part->io, e[i + k].first + unit, at, take);
        at += take;
        len -= take;
    }
    return 0;
}

void vol_transfer_fini(struct vol_transfer *t) {
    free(t->parts);
    t->parts = NULL;
    t->cap = 0;
}

/* ---- pages of the catalog ---- */

int vol_page(struct lb_engine_op *op, const struct vol_paging *by) {
    const struct lb_map_node **all = calloc(by->map->len + 1, sizeof(void *));
    size_t n = 0;
    int err = all ? 0 : -ENOMEM;
    for (struct lb_map_node *m = lb_map_first(by->map); m && !err; m = lb_map_next(by->map, m)) {
        if (by->listed(op, m))
            all[n++] = m;
    }
    if (n)
        qsort(all, n, sizeof(void *), by->compare);
    op->truncated = n > op->max;
    op->n = 0;
    for (size_t i = 0; !err && i < n && i < op->max; i++) {
        err = by->fill(op, all[i]);
        op->n++;
    }
    free(all);
    return err;
}

/* Multipart uploads. A part is an entry of its own; a completed object is a head that names the
 * upload, so that nothing is copied. What decides on all parts is alone in its batch. */
#include <errno.h>
#include <stdlib.h>

#include "engine/volume/ops_priv.h"

/* The upload that op names. */
static int find(struct vol_engine *v, const struct lb_engine_op *op, struct vol_upload **ret) {
    const struct vol_bucket *b = vol_bucket_find(v, op->bucket);
    if (!b)
        return LB_ERR_NO_SUCH_BUCKET;
    *ret = vol_upload_find(v, op->upload_id);
    return *ret && (*ret)->bucket == b->number && lb_slice_eq((*ret)->key, op->key)
               ? 0
               : LB_ERR_NO_SUCH_UPLOAD;
}

/* ---- create ---- */

static int decide_create(struct vol_engine *v, struct vol_change *c) {
    struct lb_engine_op *op = vol_call_of(c)->op;
    const struct vol_bucket *b = vol_bucket_find(v, op->bucket);
    int err = b ? vol_room(v) : LB_ERR_NO_SUCH_BUCKET;
    if (err)
        return err;
    struct lb_upload_info *u = op->uploads;
    vol_id_text(c->seq, (char *)u->id.ptr);
    u->created_ns = c->wall_ns;
    c->record = (struct vol_record){.kind = VOL_REC_UPLOAD,
                                    .bucket = b->number,
                                    .object = {.bucket = b->number, .key = op->key},
                                    .upload_id = u->id,
                                    .created_ns = c->wall_ns,
                                    .blob = op->meta};
    return 0;
}

void vol_upload_create(struct lb_engine_port *p, struct lb_engine_op *op) {
    int err = vol_key_check(op->key);
    if (!err && op->meta.len > LB_META_MAX)
        err = LB_ERR_METADATA_TOO_LARGE;
    struct lb_upload_info *u = lb_arena_zalloc(op->arena, sizeof(*u));
    char *id = lb_arena_alloc(op->arena, VOL_UPLOAD_ID_LEN + 1);
    if (!err && !(u && id))
        err = -ENOMEM;
    if (err) {
        vol_complete(p, op, err);
        return;
    }
    *u = (struct lb_upload_info){
        .key = op->key, .id = lb_slice(id, VOL_UPLOAD_ID_LEN), .meta = op->meta};
    op->uploads = u;
    op->n = 1;
    vol_call(p, op, vol_hash_u64((uintptr_t)op), false, decide_create);
}

/* ---- head and list ---- */

static int fill(const struct vol_upload *u, struct lb_arena *arena, struct lb_upload_info *ret) {
    ret->created_ns = u->created_ns;
    int err = lb_arena_copy(arena, u->key, &ret->key);
    if (!err)
        err = lb_arena_copy(arena, lb_slice_cstr(u->id), &ret->id);
    if (!err)
        err = lb_arena_copy(arena, u->meta, &ret->meta);
    return err;
}

void vol_upload_head(struct lb_engine_port *p, struct lb_engine_op *op) {
    struct vol_engine *v = vol_of(p);
    struct vol_upload *u;
    op->uploads = lb_arena_alloc(op->arena, sizeof(*op->uploads));
    pthread_mutex_lock(&v->lock);
    int err = op->uploads ? find(v, op, &u) : -ENOMEM;
    if (!err)
        err = fill(u, op->arena, op->uploads);
    pthread_mutex_unlock(&v->lock);
    op->n = err ? 0 : 1;
    vol_complete(p, op, err);
}

static const struct vol_upload *upload_of(const struct lb_map_node *n) {
    return LB_CONTAINER_OF(n, const struct vol_upload, by_id);
}

static int by_key(const void *a, const void *b) {
    const struct lb_map_node *const *at = a, *const *bt = b;
    const struct vol_upload *x = upload_of(*at), *y = upload_of(*bt);
    int c = lb_slice_cmp(x->key, y->key);
    return c ? c : strcmp(x->id, y->id);
}

/* op->state is the bucket. */
static bool listed(const struct lb_engine_op *op, const struct lb_map_node *n) {
    const struct vol_bucket *b = op->state;
    const struct vol_upload *u = upload_of(n);
    if (u->bucket != b->number || !lb_slice_starts_with(u->key, op->prefix))
        return false;
    int past = op->after.len ? lb_slice_cmp(u->key, op->after) : 1;
    return past > 0 ||
           (past == 0 && op->after_id.len && lb_slice_cmp(lb_slice_cstr(u->id), op->after_id) > 0);
}

static int fill_next(struct lb_engine_op *op, const struct lb_map_node *n) {
    return fill(upload_of(n), op->arena, &op->uploads[op->n]);
}

static int list(struct vol_engine *v, struct lb_engine_op *op) {
    const struct vol_paging by = {&v->uploads, listed, by_key, fill_next};
    op->state = vol_bucket_find(v, op->bucket);
    if (!op->state)
        return LB_ERR_NO_SUCH_BUCKET;
    op->uploads = lb_arena_alloc(op->arena, op->max * sizeof(*op->uploads));
    return op->uploads ? vol_page(op, &by) : -ENOMEM;
}

void vol_upload_list(struct lb_engine_port *p, struct lb_engine_op *op) {
    struct vol_engine *v = vol_of(p);
    op->n = 0;
    pthread_mutex_lock(&v->lock);
    int err = list(v, op);
    pthread_mutex_unlock(&v->lock);
    vol_complete(p, op, err);
}

/* ---- parts ---- */

/* The part's number, from its key. */
static uint32_t number_of(struct lb_slice key) {
    uint64_t n = 0;
    return lb_slice_to_u64(lb_slice_from(key, VOL_UPLOAD_ID_LEN), &n) == 0 ? (uint32_t)n : 0;
}

/* The upload's first part with this number or a greater one. */
static int part_from(struct vol_engine *v, uint64_t upload, uint32_t number,
                     struct vol_object *ret) {
    char key[VOL_PART_KEY_LEN + 1];
    vol_part_key(upload, number, key);
    struct lb_slice k = lb_slice(key, VOL_PART_KEY_LEN);
    int err = vol_index_seek(v->index, VOL_PARTS_BUCKET, k, UINT64_MAX, ret);
    bool of_it = !err && ret->bucket == VOL_PARTS_BUCKET &&
                 lb_slice_starts_with(ret->key, lb_slice_first(k, VOL_UPLOAD_ID_LEN));
    return of_it ? 0 : -ENOENT;
}

static int parts(struct vol_engine *v, struct lb_engine_op *op, struct vol_metas *metas) {
    struct vol_upload *u;
    struct vol_object o;
    int err = find(v, op, &u);
    if (err)
        return err;
    uint32_t from = op->part + 1;
    while (!err && part_from(v, u->number, from, &o) == 0) {
        op->truncated = op->n == op->max;
        if (op->truncated)
            break;
        struct lb_slice key;
        struct lb_part_info *info = &op->ret_parts[op->n++];
        *info = (struct lb_part_info){
            .number = number_of(o.key), .size = o.size, .mtime_ns = o.mtime_ns, .etag = o.etag};
        from = info->number + 1;
        err = lb_arena_copy(op->arena, o.key, &key);
        if (!err)
            err = vol_metas_add(metas, &o, key, &info->meta);
    }
    return err;
}

void vol_upload_parts(struct lb_engine_port *p, struct lb_engine_op *op) {
    struct vol_engine *v = vol_of(p);
    struct vol_metas *metas = vol_metas_new(p, op, op->max);
    op->n = 0;
    op->truncated = false;
    op->ret_parts = lb_arena_alloc(op->arena, op->max * sizeof(*op->ret_parts));
    if (!metas || !op->ret_parts) {
        if (metas)
            vol_metas_run(metas, -ENOMEM);
        else
            vol_complete(p, op, -ENOMEM);
        return;
    }
    pthread_mutex_lock(&v->lock);
    int err = parts(v, op, metas);
    pthread_mutex_unlock(&v->lock);
    vol_metas_run(metas, err);
}

/* ---- complete ---- */

/* All parts that are asked for are there; their bytes. */
static int wanted(struct vol_engine *v, const struct lb_engine_op *op, uint64_t upload,
                  uint64_t *ret_size) {
    *ret_size = 0;
    for (size_t i = 0; i < op->parts_n; i++) {
        struct vol_object o;
        uint32_t n = op->parts[i].number;
        if (n == 0 || n > LB_PARTS_MAX || (i && n <= op->parts[i - 1].number) ||
            part_from(v, upload, n, &o) < 0 || number_of(o.key) != n ||
            !lb_slice_eq(lb_etag_slice(&o.etag), lb_etag_slice(&op->parts[i].etag)))
            return LB_ERR_INVALID_PART;
        *ret_size += o.size;
    }
    return op->parts_n ? 0 : LB_ERR_INVALID_PART;
}

static size_t parts_there(struct vol_engine *v, uint64_t upload) {
    struct vol_object o;
    size_t n = 0;
    for (uint32_t from = 1; part_from(v, upload, from, &o) == 0; n++)
        from = number_of(o.key) + 1;
    return n;
}

/* Records that remove the parts which nobody asked for. */
static int unwanted(struct vol_engine *v, struct vol_call *call) {
    struct vol_change *c = &call->c;
    const struct lb_engine_op *op = call->op;
    size_t there = parts_there(v, call->upload);
    size_t n = there > op->parts_n ? there - op->parts_n : 0;
    struct vol_object o;
    size_t named = 0;
    lb_buf_fini(&call->keys);
    lb_buf_init(&call->keys, n * VOL_PART_KEY_LEN);
    if (n == 0)
        return 0;
    c->more = calloc(n, sizeof(*c->more));
    char *keys = lb_buf_reserve(&call->keys, n * VOL_PART_KEY_LEN);
    if (!c->more || !keys)
        return -ENOMEM;
    for (uint32_t from = 1; part_from(v, call->upload, from, &o) == 0;) {
        uint32_t number = number_of(o.key);
        from = number + 1;
        while (named < op->parts_n && op->parts[named].number < number)
            named++;
        if (named < op->parts_n && op->parts[named].number == number)
            continue;
        memcpy(keys, o.key.ptr, VOL_PART_KEY_LEN);
        c->more[c->more_n++] = (struct vol_record){
            .kind = VOL_REC_REMOVE,
            .bucket = VOL_PARTS_BUCKET,
            .object = {
                .bucket = VOL_PARTS_BUCKET, .key = lb_slice(keys, VOL_PART_KEY_LEN), .seq = o.seq}};
        keys += VOL_PART_KEY_LEN;
    }
    return 0;
}

/* Where the record's one extent is until it has been applied. */
struct complete {
    struct vol_call call;
    struct vol_extent composed;
};

static int decide_complete(struct vol_engine *v, struct vol_change *c) {
    struct vol_call *call = vol_call_of(c);
    struct complete *complete = LB_CONTAINER_OF(call, struct complete, call);
    struct lb_engine_op *op = call->op;
    struct vol_upload *u;
    uint64_t size;
    int err = find(v, op, &u);
    if (!err)
        err = vol_precond(v, u->bucket, op->key, op);
    if (!err)
        err = wanted(v, op, u->number, &size);
    if (!err)
        err = vol_room(v);
    if (err)
        return err;
    call->upload = u->number;
    complete->composed = (struct vol_extent){u->number, op->parts_n};
    c->record = (struct vol_record){.kind = VOL_REC_PUT, .bucket = u->bucket};
    c->record.object = (struct vol_object){.bucket = u->bucket,
                                           .key = op->key,
                                           .seq = c->seq,
                                           .size = size,
                                           .mtime_ns = c->wall_ns,
                                           .etag = op->etag,
                                           .meta_len = (uint32_t)op->meta.len,
                                           .meta = op->meta,
                                           .flags = VOL_COMPOSED,
                                           .extents = &complete->composed,
                                           .extents_n = 1};
    if (op->versioning != LB_VERSIONING_ON)
        c->record.object.flags |= VOL_NULL;
    vol_info(&c->record.object, &op->info);
    op->info.meta = op->meta;
    return unwanted(v, call);
}

static void completed(struct vol_change *c, int err) {
    struct complete *complete = LB_CONTAINER_OF(vol_call_of(c), struct complete, call);
    struct lb_engine_op *op = complete->call.op;
    lb_buf_fini(&complete->call.keys);
    free(complete);
    op->done(op, err);
}

void vol_upload_complete(struct lb_engine_port *p, struct lb_engine_op *op) {
    struct complete *complete = op->meta.len > LB_META_MAX ? NULL : calloc(1, sizeof(*complete));
    if (!complete) {
        vol_complete(p, op, op->meta.len > LB_META_MAX ? LB_ERR_METADATA_TOO_LARGE : -ENOMEM);
        return;
    }
    complete->call.op = op;
    complete->call.c = (struct vol_change){
        .alone = true, .sync = !op->relaxed, .decide = decide_complete, .done = completed};
    vol_journal_submit(vol_of(p), vol_loop_of(p), &complete->call.c);
}

/* ---- abort ---- */

static int decide_abort(struct vol_engine *v, struct vol_change *c) {
    struct vol_call *call = vol_call_of(c);
    struct vol_upload *u;
    int err = find(v, call->op, &u);
    if (err)
        return err;
    c->record = (struct vol_record){
        .kind = VOL_REC_END_UPLOAD, .bucket = u->bucket, .upload_id = call->op->upload_id};
    return 0;
}

void vol_upload_abort(struct lb_engine_port *p, struct lb_engine_op *op) {
    vol_call(p, op, 0, true, decide_abort);
}

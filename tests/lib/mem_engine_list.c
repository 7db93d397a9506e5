/* The engine in memory: lists and multipart uploads. */
#include <assert.h>
#include <stdlib.h>

#include "mem_engine_priv.h"

/* The common prefix of a key, or the empty slice. */
static struct lb_slice common_prefix(const struct lb_engine_op *op, struct lb_slice key) {
    if (op->delimiter.len == 0)
        return LB_S("");
    ptrdiff_t at = lb_slice_find_slice(lb_slice_from(key, op->prefix.len), op->delimiter);
    return at < 0 ? LB_S("") : lb_slice_first(key, op->prefix.len + (size_t)at + op->delimiter.len);
}

/* Adds what a version shows as, unless it is in the common prefix before. False: the page is full.
 */
static bool add(struct lb_engine_op *op, const struct mem_object *o, const struct mem_version *v) {
    struct lb_list_result *list = &op->list;
    struct lb_slice key = lb_buf_slice(&o->key);
    struct lb_slice prefix = common_prefix(op, key);
    const struct lb_list_entry *last = list->n ? &list->entries[list->n - 1] : NULL;
    if (prefix.len &&
        ((last && lb_slice_eq(prefix, last->key)) ||
         (lb_slice_ends_with(op->after, op->delimiter) && lb_slice_starts_with(op->after, prefix))))
        return true;
    list->truncated = list->n == op->max;
    if (list->truncated)
        return false;
    struct lb_list_entry *e = &list->entries[list->n++];
    e->key = mem_keep(op, prefix.len ? prefix : key);
    e->is_prefix = prefix.len > 0;
    if (!e->is_prefix)
        e->info = v->info;
    e->info.latest = op->versions && !e->is_prefix && mem_version_latest(o, v);
    e->info.meta = op->want_meta ? mem_keep(op, e->info.meta) : LB_S("");
    return true;
}

void mem_list(struct lb_engine_port *p, struct lb_engine_op *op) {
    struct mem_bucket *b = mem_bucket(mem_of(p), op->bucket);
    if (!b) {
        mem_done(p, op, LB_ERR_NO_SUCH_BUCKET);
        return;
    }
    op->list.entries = lb_arena_zalloc(op->arena, op->max * sizeof(*op->list.entries));
    LB_LIST_FOR_EACH(it, &b->objects) {
        struct mem_object *o = LB_CONTAINER_OF(it, struct mem_object, link);
        struct mem_version *v = NULL;
        if (!lb_slice_starts_with(lb_buf_slice(&o->key), op->prefix))
            continue;
        do {
            v = mem_version_next(o, v, op);
        } while (v && add(op, o, v));
        if (op->list.truncated)
            break;
    }
    mem_done(p, op, 0);
}

struct mem_upload *mem_upload(struct mem_bucket *b, struct lb_slice key, struct lb_slice id) {
    LB_LIST_FOR_EACH(it, &b->uploads) {
        struct mem_upload *u = LB_CONTAINER_OF(it, struct mem_upload, link);
        if (lb_slice_eq(lb_buf_slice(&u->id), id) && lb_slice_eq(lb_buf_slice(&u->key), key))
            return u;
    }
    return NULL;
}

static void part_free(struct mem_part *part) {
    lb_list_remove(&part->link);
    mem_version_unref(part->version);
    free(part);
}

void mem_upload_free(struct mem_upload *u) {
    LB_LIST_FOR_EACH_SAFE(it, &u->parts)
    part_free(LB_CONTAINER_OF(it, struct mem_part, link));
    lb_list_remove(&u->link);
    lb_buf_fini(&u->key);
    lb_buf_fini(&u->id);
    lb_buf_fini(&u->meta);
    free(u);
}

int mem_upload_put(struct mem_upload *u, uint32_t number, struct mem_version *v) {
    if (!u)
        return LB_ERR_NO_SUCH_UPLOAD;
    struct lb_list *at = u->parts.next;
    while (at != &u->parts && LB_CONTAINER_OF(at, struct mem_part, link)->number < number)
        at = at->next;
    struct mem_part *old = at == &u->parts ? NULL : LB_CONTAINER_OF(at, struct mem_part, link);
    struct mem_part *part = calloc(1, sizeof(*part));
    assert(part);
    part->number = number;
    part->version = v;
    v->refs++;
    lb_list_append(at, &part->link);
    if (old && old->number == number)
        part_free(old);
    return 0;
}

static int compare(const struct mem_upload *u, struct lb_slice key, struct lb_slice id) {
    int c = lb_slice_cmp(lb_buf_slice(&u->key), key);
    return c ? c : lb_slice_cmp(lb_buf_slice(&u->id), id);
}

static void upload_info(struct lb_engine_op *op, const struct mem_upload *u,
                        struct lb_upload_info *ret) {
    *ret = (struct lb_upload_info){
        .key = mem_keep(op, lb_buf_slice(&u->key)),
        .id = mem_keep(op, lb_buf_slice(&u->id)),
        .created_ns = u->created_ns,
        .meta = mem_keep(op, lb_buf_slice(&u->meta)),
    };
}

void mem_upload_create(struct lb_engine_port *p, struct lb_engine_op *op) {
    struct mem_engine *e = mem_of(p);
    struct mem_bucket *b = mem_bucket(e, op->bucket);
    if (!b) {
        mem_done(p, op, LB_ERR_NO_SUCH_BUCKET);
        return;
    }
    struct mem_upload *u = calloc(1, sizeof(*u));
    assert(u);
    mem_copy(&u->key, op->key);
    mem_copy(&u->meta, op->meta);
    lb_buf_init(&u->id, LB_UPLOAD_ID_MAX);
    lb_buf_printf(&u->id, "upload%08llu", (unsigned long long)++e->next_id);
    u->created_ns = lb_io_wall_ns(p->io);
    lb_list_init(&u->parts);
    struct lb_list *at = b->uploads.next;
    while (at != &b->uploads &&
           compare(LB_CONTAINER_OF(at, struct mem_upload, link), op->key, lb_buf_slice(&u->id)) < 0)
        at = at->next;
    lb_list_append(at, &u->link);
    op->uploads = lb_arena_alloc(op->arena, sizeof(*op->uploads));
    upload_info(op, u, op->uploads);
    op->n = 1;
    mem_done(p, op, 0);
}

static struct mem_upload *find(struct lb_engine_port *p, struct lb_engine_op *op, int *ret_err) {
    struct mem_bucket *b = mem_bucket(mem_of(p), op->bucket);
    struct mem_upload *u = b ? mem_upload(b, op->key, op->upload_id) : NULL;
    *ret_err = u ? 0 : b ? LB_ERR_NO_SUCH_UPLOAD : LB_ERR_NO_SUCH_BUCKET;
    return u;
}

void mem_upload_head(struct lb_engine_port *p, struct lb_engine_op *op) {
    int err;
    struct mem_upload *u = find(p, op, &err);
    if (u) {
        op->uploads = lb_arena_alloc(op->arena, sizeof(*op->uploads));
        upload_info(op, u, op->uploads);
        op->n = 1;
    }
    mem_done(p, op, err);
}

void mem_upload_list(struct lb_engine_port *p, struct lb_engine_op *op) {
    struct mem_bucket *b = mem_bucket(mem_of(p), op->bucket);
    if (!b) {
        mem_done(p, op, LB_ERR_NO_SUCH_BUCKET);
        return;
    }
    op->uploads = lb_arena_alloc(op->arena, op->max * sizeof(*op->uploads));
    LB_LIST_FOR_EACH(it, &b->uploads) {
        struct mem_upload *u = LB_CONTAINER_OF(it, struct mem_upload, link);
        struct lb_slice key = lb_buf_slice(&u->key);
        int past = lb_slice_cmp(key, op->after);
        if (!lb_slice_starts_with(key, op->prefix) || (op->after.len && past < 0) ||
            (op->after.len && past == 0 &&
             (op->after_id.len == 0 || compare(u, op->after, op->after_id) <= 0)))
            continue;
        op->truncated = op->n == op->max;
        if (op->truncated)
            break;
        upload_info(op, u, &op->uploads[op->n++]);
    }
    mem_done(p, op, 0);
}

void mem_upload_parts(struct lb_engine_port *p, struct lb_engine_op *op) {
    int err;
    struct mem_upload *u = find(p, op, &err);
    if (!u) {
        mem_done(p, op, err);
        return;
    }
    op->ret_parts = lb_arena_alloc(op->arena, op->max * sizeof(*op->ret_parts));
    LB_LIST_FOR_EACH(it, &u->parts) {
        struct mem_part *part = LB_CONTAINER_OF(it, struct mem_part, link);
        if (part->number <= op->part)
            continue;
        op->truncated = op->n == op->max;
        if (op->truncated)
            break;
        op->ret_parts[op->n++] = (struct lb_part_info){
            .number = part->number,
            .size = part->version->info.size,
            .mtime_ns = part->version->info.mtime_ns,
            .etag = part->version->info.etag,
            .meta = mem_keep(op, part->version->info.meta),
        };
    }
    mem_done(p, op, 0);
}

static struct mem_part *find_part(struct mem_upload *u, const struct lb_part_info *want) {
    LB_LIST_FOR_EACH(it, &u->parts) {
        struct mem_part *part = LB_CONTAINER_OF(it, struct mem_part, link);
        if (part->number == want->number &&
            lb_slice_eq(lb_etag_slice(&part->version->info.etag), lb_etag_slice(&want->etag)))
            return part;
    }
    return NULL;
}

void mem_upload_complete(struct lb_engine_port *p, struct lb_engine_op *op) {
    int err;
    struct mem_upload *u = find(p, op, &err);
    struct mem_bucket *b = mem_bucket(mem_of(p), op->bucket);
    mem_of(p)->test.relaxed = op->relaxed;
    if (u)
        err = mem_precond(b, op, op->key);
    struct mem_version *v = mem_version_new();
    for (size_t i = 0; err == 0 && i < op->parts_n; i++) {
        struct mem_part *part = find_part(u, &op->parts[i]);
        if (part)
            lb_buf_append(&v->data, lb_buf_slice(&part->version->data));
        else
            err = LB_ERR_INVALID_PART;
    }
    if (err == 0) {
        v->info = (struct lb_object_info){
            .size = v->data.len, .mtime_ns = lb_io_wall_ns(p->io), .etag = op->etag};
        mem_meta(v, op->meta);
        mem_publish(mem_of(p), b, op->key, v, op->versioning);
        op->info = v->info;
        mem_upload_free(u);
    }
    mem_version_unref(v);
    mem_done(p, op, err);
}

void mem_upload_abort(struct lb_engine_port *p, struct lb_engine_op *op) {
    int err;
    struct mem_upload *u = find(p, op, &err);
    if (u)
        mem_upload_free(u);
    mem_done(p, op, err);
}

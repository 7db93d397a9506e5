/* The engine in memory: the versions of a key. */
#include <assert.h>
#include <stdlib.h>

#include "mem_engine_priv.h"

static struct mem_version *version_of(struct lb_list *link) {
    return LB_CONTAINER_OF(link, struct mem_version, link);
}

static bool is_null(const struct mem_version *v) {
    return lb_slice_eq(lb_version_slice(&v->info.version), LB_S("null"));
}

struct mem_version *mem_version_new(void) {
    struct mem_version *v = calloc(1, sizeof(*v));
    assert(v);
    v->refs = 1;
    lb_list_init(&v->link);
    lb_buf_init(&v->data, SIZE_MAX / 2);
    return v;
}

void mem_version_unref(struct mem_version *v) {
    if (--v->refs)
        return;
    lb_buf_fini(&v->data);
    lb_buf_fini(&v->meta);
    free(v);
}

void mem_meta(struct mem_version *v, struct lb_slice meta) {
    mem_copy(&v->meta, meta);
    v->info.meta = lb_buf_slice(&v->meta);
}

struct mem_object *mem_object(struct mem_bucket *b, struct lb_slice key) {
    LB_LIST_FOR_EACH(it, &b->objects) {
        struct mem_object *o = LB_CONTAINER_OF(it, struct mem_object, link);
        if (lb_slice_eq(lb_buf_slice(&o->key), key))
            return o;
    }
    return NULL;
}

/* The object of that key; made when it is not there. */
static struct mem_object *object_make(struct mem_bucket *b, struct lb_slice key) {
    struct mem_object *o = mem_object(b, key);
    if (o)
        return o;
    o = calloc(1, sizeof(*o));
    assert(o);
    mem_copy(&o->key, key);
    lb_list_init(&o->versions);
    struct lb_list *at = b->objects.next;
    while (at != &b->objects &&
           lb_slice_cmp(lb_buf_slice(&LB_CONTAINER_OF(at, struct mem_object, link)->key), key) < 0)
        at = at->next;
    lb_list_append(at, &o->link); /* before at */
    return o;
}

static void version_drop(struct mem_version *v) {
    lb_list_remove(&v->link);
    mem_version_unref(v);
}

static void drop_if_empty(struct mem_object *o) {
    if (!lb_list_empty(&o->versions))
        return;
    lb_list_remove(&o->link);
    lb_buf_fini(&o->key);
    free(o);
}

void mem_object_free(struct mem_object *o) {
    LB_LIST_FOR_EACH_SAFE(it, &o->versions)
    version_drop(version_of(it));
    drop_if_empty(o);
}

/* The version of that id, or the current one (empty id); NULL when there is none. */
static struct mem_version *find(struct mem_object *o, struct lb_slice id) {
    LB_LIST_FOR_EACH(it, &o->versions) {
        struct mem_version *v = version_of(it);
        if (id.len == 0 || lb_slice_eq(lb_version_slice(&v->info.version), id))
            return v;
    }
    return NULL;
}

struct mem_version *mem_version_find(struct lb_engine_port *p, struct lb_engine_op *op,
                                     int *ret_err) {
    struct mem_bucket *b = mem_bucket(mem_of(p), op->bucket);
    struct mem_object *o = b ? mem_object(b, op->key) : NULL;
    struct mem_version *v = o ? find(o, op->version) : NULL;
    if (v && v->info.marker) {
        op->info = v->info;
        *ret_err = op->version.len ? LB_ERR_METHOD_NOT_ALLOWED : LB_ERR_NO_SUCH_KEY;
        return NULL;
    }
    *ret_err = v                 ? 0
               : !b              ? LB_ERR_NO_SUCH_BUCKET
               : op->version.len ? LB_ERR_NO_SUCH_VERSION
                                 : LB_ERR_NO_SUCH_KEY;
    return v;
}

int mem_precond(struct mem_bucket *b, const struct lb_engine_op *op, struct lb_slice key) {
    struct mem_object *o = mem_object(b, key);
    struct mem_version *v = o ? find(o, op->version) : NULL;
    return lb_precond_check(&op->precond, v && !v->info.marker ? &v->info : NULL);
}

/* v is what the key has from now on; takes a reference of its own. */
void mem_publish(struct mem_engine *e, struct mem_bucket *b, struct lb_slice key,
                 struct mem_version *v, enum lb_versioning versioning) {
    struct mem_object *o = object_make(b, key);
    struct mem_version *null = find(o, LB_S("null"));
    struct lb_version_id *id = &v->info.version;
    if (versioning == LB_VERSIONING_ON) {
        snprintf(id->text, sizeof(id->text), "%020llu", (unsigned long long)++e->next_id);
        id->len = 20;
    } else {
        memcpy(id->text, "null", id->len = 4);
        if (null)
            version_drop(null);
    }
    v->refs++;
    lb_list_append(o->versions.next, &v->link); /* as the first */
}

static void mark(struct lb_engine_port *p, struct mem_bucket *b, struct lb_engine_op *op) {
    struct mem_version *v = mem_version_new();
    v->info.marker = true;
    v->info.mtime_ns = lb_io_wall_ns(p->io);
    mem_publish(mem_of(p), b, op->key, v, op->versioning);
    op->info = v->info;
    mem_version_unref(v);
}

void mem_remove(struct lb_engine_port *p, struct lb_engine_op *op) {
    struct mem_bucket *b = mem_bucket(mem_of(p), op->bucket);
    mem_of(p)->test.relaxed = op->relaxed;
    int err = b ? mem_precond(b, op, op->key) : LB_ERR_NO_SUCH_BUCKET;
    struct mem_object *o = err == 0 ? mem_object(b, op->key) : NULL;
    if (err == 0 && op->version.len == 0 && op->versioning != LB_VERSIONING_OFF) {
        mark(p, b, op);
    } else if (o) {
        struct mem_version *v = find(o, op->version);
        if (v && op->version.len)
            op->info = v->info;
        if (v)
            version_drop(v);
        drop_if_empty(o);
    }
    op->info.meta = LB_S("");
    mem_done(p, op, err);
}

/* ---- the list of versions ---- */

/* Is v, of the key that a page ended in, older than the version it ended with? */
static bool older(const struct mem_object *o, const struct mem_version *v, struct lb_slice id) {
    const struct mem_version *last = find((struct mem_object *)o, id);
    if (!last)
        return !is_null(v) && lb_slice_cmp(lb_version_slice(&v->info.version), id) < 0;
    for (const struct lb_list *it = last->link.next; it != &o->versions; it = it->next) {
        if (it == &v->link)
            return true;
    }
    return false;
}

struct mem_version *mem_version_next(const struct mem_object *o, const struct mem_version *v,
                                     const struct lb_engine_op *op) {
    int past = lb_slice_cmp(lb_buf_slice(&o->key), op->after);
    struct lb_list *it = v ? v->link.next : o->versions.next;
    if (past < 0 || (past == 0 && !(op->versions && op->after_id.len)))
        return NULL;
    if (!op->versions)
        return v || version_of(it)->info.marker ? NULL : version_of(it);
    for (; it != &o->versions; it = it->next) {
        if (past > 0 || older(o, version_of(it), op->after_id))
            return version_of(it);
    }
    return NULL;
}

bool mem_version_latest(const struct mem_object *o, const struct mem_version *v) {
    return o->versions.next == &v->link;
}

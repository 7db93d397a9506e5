/* The engine in memory: buckets, objects, readers and writers. */
#include "mem_engine.h"

#include <assert.h>
#include <stdlib.h>

#include "mem_engine_priv.h"

struct call {
    struct lb_io_op io;
    struct lb_engine_op *op;
    int err;
};

static void on_call(struct lb_io_op *io, int64_t res) {
    struct call *c = LB_CONTAINER_OF(io, struct call, io);
    struct lb_engine_op *op = c->op;
    int err = c->err;
    free(c);
    op->done(op, err);
}

void mem_done(struct lb_engine_port *p, struct lb_engine_op *op, int err) {
    struct call *c = calloc(1, sizeof(*c));
    assert(c);
    c->io.done = on_call;
    c->op = op;
    c->err = err;
    lb_io_defer(p->io, &c->io, 0);
}

struct mem_engine *mem_of(struct lb_engine_port *p) {
    return LB_CONTAINER_OF(p, struct mem_engine, port);
}

void mem_copy(struct lb_buf *b, struct lb_slice s) {
    lb_buf_fini(b);
    lb_buf_init(b, SIZE_MAX / 2);
    lb_buf_append(b, s);
    lb_buf_append_char(b, '\0');
    b->len--;
}

struct lb_slice mem_keep(struct lb_engine_op *op, struct lb_slice s) {
    int err = lb_arena_copy(op->arena, s, &s);
    assert(err == 0);
    return s;
}

struct mem_bucket *mem_bucket(struct mem_engine *e, struct lb_slice name) {
    LB_LIST_FOR_EACH(it, &e->buckets) {
        struct mem_bucket *b = LB_CONTAINER_OF(it, struct mem_bucket, link);
        if (lb_slice_eq(lb_buf_slice(&b->name), name))
            return b;
    }
    return NULL;
}

static void bucket_free(struct mem_bucket *b) {
    LB_LIST_FOR_EACH_SAFE(it, &b->objects)
    mem_object_free(LB_CONTAINER_OF(it, struct mem_object, link));
    LB_LIST_FOR_EACH_SAFE(it, &b->uploads)
    mem_upload_free(LB_CONTAINER_OF(it, struct mem_upload, link));
    lb_list_remove(&b->link);
    lb_buf_fini(&b->name);
    lb_buf_fini(&b->settings);
    free(b);
}

static void bucket_create(struct lb_engine_port *p, struct lb_engine_op *op) {
    struct mem_engine *e = mem_of(p);
    if (mem_bucket(e, op->bucket)) {
        mem_done(p, op, LB_ERR_BUCKET_EXISTS);
        return;
    }
    struct mem_bucket *b = calloc(1, sizeof(*b));
    assert(b);
    mem_copy(&b->name, op->bucket);
    mem_copy(&b->settings, op->settings);
    b->created_ns = lb_io_wall_ns(p->io);
    b->id = ++e->next_id;
    lb_list_init(&b->objects);
    lb_list_init(&b->uploads);
    struct lb_list *at = e->buckets.next;
    while (at != &e->buckets &&
           lb_slice_cmp(lb_buf_slice(&LB_CONTAINER_OF(at, struct mem_bucket, link)->name),
                        op->bucket) < 0)
        at = at->next;
    lb_list_append(at, &b->link);
    mem_done(p, op, 0);
}

static void bucket_delete(struct lb_engine_port *p, struct lb_engine_op *op) {
    struct mem_bucket *b = mem_bucket(mem_of(p), op->bucket);
    int err = b ? 0 : LB_ERR_NO_SUCH_BUCKET;
    if (b && !lb_list_empty(&b->objects))
        err = LB_ERR_BUCKET_NOT_EMPTY;
    if (err == 0)
        bucket_free(b);
    mem_done(p, op, err);
}

static void bucket_info(struct lb_engine_op *op, struct mem_bucket *b, struct lb_bucket_info *ret) {
    *ret = (struct lb_bucket_info){
        .name = mem_keep(op, lb_buf_slice(&b->name)),
        .created_ns = b->created_ns,
        .settings = mem_keep(op, lb_buf_slice(&b->settings)),
    };
}

static void bucket_head(struct lb_engine_port *p, struct lb_engine_op *op) {
    struct mem_bucket *b = mem_bucket(mem_of(p), op->bucket);
    mem_of(p)->test.bucket_heads++;
    if (b) {
        op->buckets = lb_arena_alloc(op->arena, sizeof(*op->buckets));
        bucket_info(op, b, op->buckets);
        op->n = 1;
    }
    mem_done(p, op, b ? 0 : LB_ERR_NO_SUCH_BUCKET);
}

/* May the blob be replaced? */
static bool same(struct mem_engine *e, const struct lb_engine_op *op, const struct lb_buf *blob) {
    if (op->if_same && e->test.fail_set) {
        e->test.fail_set--;
        return false;
    }
    return !op->if_same || lb_slice_eq(op->was, lb_buf_slice(blob));
}

static void bucket_set(struct lb_engine_port *p, struct lb_engine_op *op) {
    struct mem_bucket *b = mem_bucket(mem_of(p), op->bucket);
    int err = b ? 0 : LB_ERR_NO_SUCH_BUCKET;
    if (b && !same(mem_of(p), op, &b->settings))
        err = LB_ERR_PRECONDITION_FAILED;
    if (err == 0)
        mem_copy(&b->settings, op->settings);
    mem_done(p, op, err);
}

static void bucket_list(struct lb_engine_port *p, struct lb_engine_op *op) {
    op->buckets = lb_arena_alloc(op->arena, op->max * sizeof(*op->buckets));
    LB_LIST_FOR_EACH(it, &mem_of(p)->buckets) {
        struct mem_bucket *b = LB_CONTAINER_OF(it, struct mem_bucket, link);
        struct lb_slice name = lb_buf_slice(&b->name);
        if (!lb_slice_starts_with(name, op->prefix) || lb_slice_cmp(name, op->after) <= 0)
            continue;
        op->truncated = op->n == op->max;
        if (op->truncated)
            break;
        bucket_info(op, b, &op->buckets[op->n++]);
    }
    mem_done(p, op, 0);
}

static bool bucket_known(struct lb_engine_port *p, struct lb_slice bucket) {
    return mem_bucket(mem_of(p), bucket) != NULL;
}

static void open_object(struct lb_engine_port *p, struct lb_engine_op *op) {
    int err;
    struct mem_version *v = mem_version_find(p, op, &err);
    if (v) {
        struct mem_reader *r = calloc(1, sizeof(*r));
        assert(r);
        r->version = v;
        r->version->refs++;
        r->reader.port = p;
        r->reader.info = v->info;
        op->reader = &r->reader;
        op->info = r->reader.info;
        mem_of(p)->test.readers++;
    }
    mem_done(p, op, err);
}

static void read_object(struct lb_reader *reader, struct lb_engine_op *op, uint64_t off,
                        uint64_t len, bool files) {
    struct mem_reader *r = LB_CONTAINER_OF(reader, struct mem_reader, reader);
    size_t n = len < 100000 ? len : 100000;
    struct lb_pool_buf *buf = lb_pool_get(reader->port->pool, n);
    assert(len && off + len <= r->version->data.len);
    if (buf) {
        memcpy(buf->ptr, r->version->data.ptr + off, n);
        op->piece = (struct lb_piece){.fd = -1, .len = n, .buf = buf};
    }
    mem_done(reader->port, op, buf ? 0 : LB_ERR_SLOW_DOWN);
}

static void reader_close(struct lb_reader *reader) {
    struct mem_reader *r = LB_CONTAINER_OF(reader, struct mem_reader, reader);
    if (!reader)
        return;
    mem_of(reader->port)->test.readers--;
    mem_version_unref(r->version);
    free(r);
}

static void head(struct lb_engine_port *p, struct lb_engine_op *op) {
    int err;
    struct mem_version *v = mem_version_find(p, op, &err);
    if (v) {
        op->info = v->info;
        op->info.meta = mem_keep(op, op->info.meta);
    }
    mem_done(p, op, err);
}

static void create(struct lb_engine_port *p, struct lb_engine_op *op) {
    struct mem_engine *e = mem_of(p);
    struct mem_bucket *b = mem_bucket(e, op->bucket);
    e->test.hint = op->size_hint;
    if (!b || (op->part && !mem_upload(b, op->key, op->upload_id))) {
        mem_done(p, op, b ? LB_ERR_NO_SUCH_UPLOAD : LB_ERR_NO_SUCH_BUCKET);
        return;
    }
    struct mem_writer *w = calloc(1, sizeof(*w));
    assert(w);
    w->version = mem_version_new();
    w->writer.port = p;
    w->bucket_id = b->id;
    w->part = op->part;
    mem_copy(&w->bucket, op->bucket);
    mem_copy(&w->key, op->key);
    mem_copy(&w->upload_id, op->upload_id);
    op->writer = &w->writer;
    e->test.writers++;
    mem_done(p, op, 0);
}

static void on_written(struct lb_io_op *io, int64_t res) {
    struct call *c = LB_CONTAINER_OF(io, struct call, io);
    struct mem_engine *e = c->op->state;
    e->test.writes--;
    on_call(io, res);
}

static void write_object(struct lb_writer *writer, struct lb_engine_op *op,
                         struct lb_pool_buf *buf) {
    struct mem_writer *w = LB_CONTAINER_OF(writer, struct mem_writer, writer);
    struct mem_engine *e = mem_of(writer->port);
    e->test.unaligned = e->test.unaligned || w->short_write;
    w->short_write = buf->len % LB_WRITE_UNIT != 0;
    lb_buf_append(&w->version->data, lb_slice(buf->ptr, buf->len));
    writer->size += buf->len;
    if (++e->test.writes > e->test.writes_max)
        e->test.writes_max = e->test.writes;
    struct call *c = calloc(1, sizeof(*c));
    assert(c);
    c->io.done = on_written;
    c->op = op;
    c->err = e->test.fail_write;
    e->test.fail_write = 0;
    op->state = e;
    lb_io_defer(writer->port->io, &c->io, 0);
}

static void writer_free(struct mem_writer *w) {
    mem_of(w->writer.port)->test.writers--;
    mem_version_unref(w->version);
    lb_buf_fini(&w->bucket);
    lb_buf_fini(&w->key);
    lb_buf_fini(&w->upload_id);
    free(w);
}

static void commit(struct lb_writer *writer, struct lb_engine_op *op) {
    struct mem_writer *w = LB_CONTAINER_OF(writer, struct mem_writer, writer);
    struct lb_engine_port *p = writer->port;
    struct mem_version *v = w->version;
    struct lb_slice key = lb_buf_slice(&w->key);
    struct mem_bucket *b = mem_bucket(mem_of(p), lb_buf_slice(&w->bucket));
    assert(mem_of(p)->test.writes == 0);
    mem_of(p)->test.relaxed = op->relaxed;
    v->info = (struct lb_object_info){
        .size = v->data.len, .mtime_ns = lb_io_wall_ns(p->io), .etag = op->etag};
    mem_meta(v, op->meta);
    int err = b && b->id == w->bucket_id ? 0 : LB_ERR_NO_SUCH_BUCKET;
    if (err == 0 && w->part)
        err = mem_upload_put(mem_upload(b, key, lb_buf_slice(&w->upload_id)), w->part, v);
    else if (err == 0)
        err = mem_precond(b, op, key);
    if (err == 0 && !w->part)
        mem_publish(mem_of(p), b, key, v, op->versioning);
    op->info = v->info;
    writer_free(w);
    mem_done(p, op, err);
}

static void abort_writer(struct lb_writer *writer) {
    assert(mem_of(writer->port)->test.writes == 0);
    writer_free(LB_CONTAINER_OF(writer, struct mem_writer, writer));
}

static void set_meta(struct lb_engine_port *p, struct lb_engine_op *op) {
    int err;
    struct mem_version *v = mem_version_find(p, op, &err);
    if (v)
        err = mem_precond(mem_bucket(mem_of(p), op->bucket), op, op->key);
    if (err == 0 && !same(mem_of(p), op, &v->meta))
        err = LB_ERR_PRECONDITION_FAILED;
    mem_of(p)->test.relaxed = op->relaxed;
    if (err == 0) {
        mem_meta(v, op->meta);
        op->info = v->info;
    }
    mem_done(p, op, err);
}

void mem_engine_settings(struct lb_engine *engine, struct lb_slice bucket,
                         struct lb_slice settings) {
    struct mem_engine *e = LB_CONTAINER_OF(engine, struct mem_engine, engine);
    mem_copy(&mem_bucket(e, bucket)->settings, settings);
}

void mem_engine_foreign(struct lb_engine *engine, struct lb_slice bucket, struct lb_slice key,
                        struct lb_slice data) {
    struct mem_engine *e = LB_CONTAINER_OF(engine, struct mem_engine, engine);
    struct mem_version *v = mem_version_new();
    mem_copy(&v->data, data);
    v->info = (struct lb_object_info){.size = data.len, .mtime_ns = 1000000000};
    v->info.etag.len = 34;
    memcpy(v->info.etag.text, "0123456789abcdef0123456789abcdef-0", 34);
    mem_publish(e, mem_bucket(e, bucket), key, v, LB_VERSIONING_OFF);
    mem_version_unref(v);
}

static int attach(struct lb_engine *engine, struct lb_io *io, struct lb_pool *pool,
                  struct lb_engine_port **ret) {
    struct mem_engine *e = LB_CONTAINER_OF(engine, struct mem_engine, engine);
    e->port = (struct lb_engine_port){.ops = engine->ops, .io = io, .pool = pool};
    *ret = &e->port;
    return 0;
}

static void detach(struct lb_engine_port *p) {}

static void free_engine(struct lb_engine *engine) {
    struct mem_engine *e = LB_CONTAINER_OF(engine, struct mem_engine, engine);
    LB_LIST_FOR_EACH_SAFE(it, &e->buckets)
    bucket_free(LB_CONTAINER_OF(it, struct mem_bucket, link));
    free(e);
}

static const struct lb_engine_ops ops = {
    .name = "memory",
    .attach = attach,
    .detach = detach,
    .free = free_engine,
    .bucket_create = bucket_create,
    .bucket_delete = bucket_delete,
    .bucket_head = bucket_head,
    .bucket_set = bucket_set,
    .bucket_list = bucket_list,
    .bucket_known = bucket_known,
    .open = open_object,
    .read = read_object,
    .reader_close = reader_close,
    .head = head,
    .create = create,
    .write = write_object,
    .commit = commit,
    .abort = abort_writer,
    .remove = mem_remove,
    .set_meta = set_meta,
    .list = mem_list,
    .upload_create = mem_upload_create,
    .upload_head = mem_upload_head,
    .upload_list = mem_upload_list,
    .upload_parts = mem_upload_parts,
    .upload_complete = mem_upload_complete,
    .upload_abort = mem_upload_abort,
};

struct lb_engine *mem_engine_new(void) {
    struct mem_engine *e = calloc(1, sizeof(*e));
    assert(e);
    e->engine.ops = &ops;
    lb_list_init(&e->buckets);
    return &e->engine;
}

struct mem_engine_test *mem_engine_test(struct lb_engine *e) {
    return &LB_CONTAINER_OF(e, struct mem_engine, engine)->test;
}

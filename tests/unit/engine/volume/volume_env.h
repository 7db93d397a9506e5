/* What the tests of the volume engine's operations share: an engine on a fresh file, a loop with
 * worker threads, and operations that run to their end. */
#ifndef LB_TESTS_UNIT_ENGINE_VOLUME_ENV_H
#define LB_TESTS_UNIT_ENGINE_VOLUME_ENV_H

#include "lib/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "engine/volume/ops_priv.h"

#define BUCKET LB_S("box")
#define PATIENCE_NS (60 * 1000000000ull)
#define VOLUME_SIZE (96u << 20)

struct env {
    char dir[64], path[96];
    struct lb_workers *workers;
    struct lb_io *io;
    struct lb_pool *pool;
    struct lb_engine *engine;
    struct lb_engine_port *port;
    struct lb_arena arena;
};

/* One operation and its result. */
struct call {
    struct lb_engine_op op;
    int err;
    int calls;
};

static inline void call_done(struct lb_engine_op *op, int err) {
    struct call *c = LB_CONTAINER_OF(op, struct call, op);
    c->err = err;
    c->calls++;
}

static inline struct call call_for(struct env *e, struct lb_slice key) {
    struct call c = {.op = {.done = call_done, .arena = &e->arena, .bucket = BUCKET, .key = key}};
    c.op.size_hint = LB_SIZE_UNKNOWN;
    c.op.max = 1000;
    return c;
}

static inline int finish(struct env *e, struct call *c) {
    uint64_t begin_ns = lb_io_now_ns(e->io);
    while (c->calls == 0) {
        assert_int_equal(lb_io_turn(e->io, 100000000), 0);
        assert_true(lb_io_now_ns(e->io) - begin_ns < PATIENCE_NS);
    }
    assert_int_equal(c->calls, 1);
    c->calls = 0;
    return c->err;
}

typedef void (*method)(struct lb_engine_port *p, struct lb_engine_op *op);

static inline int run(struct env *e, method m, struct call *c) {
    m(e->port, &c->op);
    assert_int_equal(c->calls, 0); /* never from inside the call */
    return finish(e, c);
}

static inline struct vol_engine *env_volume(struct env *e) {
    return LB_CONTAINER_OF(e->engine, struct vol_engine, engine);
}

static inline void engine_open(struct env *e) {
    struct lb_buf why;
    struct lb_volume_conf conf = {.path = e->path, .size = VOLUME_SIZE, .no_keeper = true};
    lb_buf_init(&why, 1000);
    int err = lb_volume_open(&conf, lb_vfs_posix(), &why, &e->engine);
    if (err)
        print_error("%s: %.*s\n", lb_err_name(err), (int)why.len, why.ptr);
    assert_int_equal(err, 0);
    lb_buf_fini(&why);
    assert_int_equal(e->engine->ops->attach(e->engine, e->io, e->pool, &e->port), 0);
}

static inline void engine_close(struct env *e) {
    e->port->ops->detach(e->port);
    e->engine->ops->free(e->engine);
}

static inline void engine_again(struct env *e) {
    engine_close(e);
    engine_open(e);
}

static inline int env_setup(void **state) {
    struct env *e = calloc(1, sizeof(*e));
    assert_non_null(e);
    snprintf(e->dir, sizeof(e->dir), "/tmp/lobos-volume-XXXXXX");
    assert_non_null(mkdtemp(e->dir));
    snprintf(e->path, sizeof(e->path), "%s/volume", e->dir);
    assert_int_equal(lb_workers_new(2, &e->workers), 0);
    struct lb_io_conf conf = {.backend = LB_IO_AUTO, .workers = e->workers, .vfs = lb_vfs_posix()};
    assert_int_equal(lb_io_new(&conf, &e->io), 0);
    e->pool = lb_pool_new(64u << 20);
    assert_non_null(e->pool);
    lb_arena_init(&e->arena, 64u << 20);
    engine_open(e);
    struct call c = call_for(e, LB_S(""));
    assert_int_equal(run(e, vol_bucket_create, &c), 0);
    *state = e;
    return 0;
}

static inline int env_teardown(void **state) {
    struct env *e = *state;
    engine_close(e);
    lb_arena_fini(&e->arena);
    assert_int_equal(lb_pool_used(e->pool), 0);
    lb_pool_free(e->pool);
    lb_io_free(e->io);
    lb_workers_free(e->workers);
    unlink(e->path);
    rmdir(e->dir);
    free(e);
    return 0;
}

/* Repeatable bytes. */
static inline void fill(char *at, size_t n, unsigned seed) {
    for (size_t i = 0; i < n; i++)
        at[i] = (char)((i * 2654435761u + seed * 977) >> 11);
}

static inline struct lb_etag etag_of(const char *text) {
    struct lb_etag e = {.len = (uint8_t)strlen(text)};
    memcpy(e.text, text, e.len);
    return e;
}

#define ETAG "0123456789abcdef0123456789abcdef"

/* Writes data in pieces, all in flight at once. Returns the first error; then the writer is gone.
 */
static inline int write_data(struct env *e, struct lb_writer *w, const char *data, size_t len,
                             size_t piece) {
    size_t n = (len + piece - 1) / piece;
    struct call *calls = calloc(n + 1, sizeof(*calls));
    struct lb_pool_buf **bufs = calloc(n + 1, sizeof(void *));
    int err = 0;
    for (size_t i = 0; i < n; i++) {
        size_t at = i * piece;
        bufs[i] = lb_pool_get(e->pool, piece);
        assert_non_null(bufs[i]);
        bufs[i]->len = (uint32_t)(len - at < piece ? len - at : piece);
        memcpy(bufs[i]->ptr, data + at, bufs[i]->len);
        calls[i] = call_for(e, LB_S(""));
        vol_write(w, &calls[i].op, bufs[i]);
        assert_int_equal(calls[i].calls, 0);
    }
    for (size_t i = 0; i < n; i++) {
        int rc = finish(e, &calls[i]);
        if (rc && !err)
            err = rc;
        lb_pool_put(bufs[i]);
    }
    free(calls);
    free(bufs);
    if (err)
        vol_abort(w);
    return err;
}

/* A whole PUT; c holds what differs from the usual (call_for), and the result. */
static inline int put_call(struct env *e, struct call *c, const char *data, size_t len) {
    int err = run(e, vol_create, c);
    if (err)
        return err;
    struct lb_writer *w = c->op.writer;
    err = write_data(e, w, data, len, 65536);
    if (err)
        return err;
    assert_int_equal(w->size, len);
    vol_commit(w, &c->op);
    return finish(e, c);
}

static inline struct call put_for(struct env *e, struct lb_slice key) {
    struct call c = call_for(e, key);
    c.op.etag = etag_of(ETAG);
    c.op.meta = LB_S("meta");
    return c;
}

static inline int put(struct env *e, struct lb_slice key, const char *data, size_t len) {
    struct call c = put_for(e, key);
    c.op.size_hint = len;
    return put_call(e, &c, data, len);
}

static inline int put_text(struct env *e, const char *key, const char *text) {
    return put(e, lb_slice_cstr(key), text, strlen(text));
}

/* Reads [off, off + len) of an open object. */
static inline int read_range(struct env *e, struct lb_reader *r, char *ret, uint64_t off,
                             uint64_t len) {
    struct call c = call_for(e, LB_S(""));
    while (len) {
        vol_read(r, &c.op, off, len, true);
        assert_int_equal(c.calls, 0);
        int err = finish(e, &c);
        if (err)
            return err;
        struct lb_piece *p = &c.op.piece;
        assert_true(p->len >= 1 && p->len <= len && p->fd < 0);
        memcpy(ret, p->buf->ptr + p->buf_at, p->len);
        lb_pool_put(p->buf);
        ret += p->len;
        off += p->len;
        len -= p->len;
    }
    return 0;
}

/* Reads an object as a whole (at most cap bytes). Returns its size or an error; info in c. */
static inline int64_t get(struct env *e, struct call *c, char *buf, size_t cap) {
    int err = run(e, vol_open, c);
    if (err)
        return err;
    struct lb_reader *r = c->op.reader;
    uint64_t size = r->info.size;
    assert_true(size <= cap);
    assert_int_equal(lb_arena_copy(&e->arena, r->info.meta, &c->op.info.meta), 0);
    err = read_range(e, r, buf, 0, size);
    vol_reader_close(r);
    return err ? err : (int64_t)size;
}

static inline void check_bytes(struct env *e, struct lb_slice key, const char *data, size_t len) {
    char *buf = malloc(len + 1);
    struct call c = call_for(e, key);
    assert_int_equal(get(e, &c, buf, len), len);
    assert_memory_equal(buf, data, len);
    free(buf);
}

static inline void check_text(struct env *e, const char *key, const char *text) {
    check_bytes(e, lb_slice_cstr(key), text, strlen(text));
}

static inline void check_missing(struct env *e, struct lb_slice key) {
    struct call c = call_for(e, key);
    assert_int_equal(run(e, vol_head, &c), LB_ERR_NO_SUCH_KEY);
}

static inline int remove_key(struct env *e, struct lb_slice key) {
    struct call c = call_for(e, key);
    return run(e, vol_remove, &c);
}

static inline uint64_t units_left(struct env *e) {
    struct vol_engine *v = env_volume(e);
    return vol_alloc_free_units(v->alloc) + vol_alloc_later_units(v->alloc);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, env_setup, env_teardown)

#endif

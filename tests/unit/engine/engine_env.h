/* What the tests of the engines' operations share: an engine on a fresh folder, a loop with worker
 * threads, and operations that run to their end. */
#ifndef LB_TESTS_UNIT_ENGINE_ENGINE_ENV_H
#define LB_TESTS_UNIT_ENGINE_ENGINE_ENV_H

#include "lib/check.h"

#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "engine/engine.h"

#define BUCKET LB_S("box")
#define PATIENCE_NS (60 * 1000000000ull)
#define ETAG "0123456789abcdef0123456789abcdef"

struct env {
    char dir[64], path[96]; /* path: of a volume */
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

/* Waits for a call that may be done already. */
static inline int finish_late(struct env *e, struct call *c) {
    uint64_t begin_ns = lb_io_now_ns(e->io);
    while (c->calls == 0) {
        assert_int_equal(lb_io_turn(e->io, 100000000), 0);
        assert_true(lb_io_now_ns(e->io) - begin_ns < PATIENCE_NS);
    }
    assert_int_equal(c->calls, 1);
    c->calls = 0;
    return c->err;
}

/* Waits for the call just made, which is never done from inside. */
static inline int finish(struct env *e, struct call *c) {
    assert_int_equal(c->calls, 0);
    return finish_late(e, c);
}

typedef void (*method)(struct lb_engine_port *p, struct lb_engine_op *op);

static inline int run(struct env *e, method m, struct call *c) {
    m(e->port, &c->op);
    return finish(e, c);
}

/* Makes the folder (e->dir is its template), the loop and its pool. */
static inline void env_begin(struct env *e, enum lb_io_backend backend, unsigned workers) {
    assert_non_null(mkdtemp(e->dir));
    assert_int_equal(lb_workers_new(workers, &e->workers), 0);
    struct lb_io_conf conf = {.backend = backend, .workers = e->workers, .vfs = lb_vfs_posix()};
    assert_int_equal(lb_io_new(&conf, &e->io), 0);
    e->pool = lb_pool_new(64u << 20);
    assert_non_null(e->pool);
    lb_arena_init(&e->arena, 64u << 20);
}

/* After engine_close. */
static inline void env_end(struct env *e) {
    lb_arena_fini(&e->arena);
    assert_int_equal(lb_pool_used(e->pool), 0);
    lb_pool_free(e->pool);
    lb_io_free(e->io);
    lb_workers_free(e->workers);
}

static inline void engine_close(struct env *e) {
    e->port->ops->detach(e->port);
    e->engine->ops->free(e->engine);
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

/* Writes data in pieces of `piece` bytes, all at once in flight, up to the commit. Returns the
 * first error; then the writer is gone. */
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
        e->port->ops->write(w, &calls[i].op, bufs[i]);
        assert_int_equal(calls[i].calls, 0);
    }
    for (size_t i = 0; i < n; i++) {
        int rc = finish_late(e, &calls[i]);
        if (rc && !err)
            err = rc;
        lb_pool_put(bufs[i]);
    }
    free(calls);
    free(bufs);
    if (err)
        e->port->ops->abort(w);
    return err;
}

/* A whole PUT; c holds what differs from the usual (call_for), and the result. */
static inline int put_call(struct env *e, struct call *c, const char *data, size_t len,
                           size_t piece) {
    int err = run(e, e->port->ops->create, c);
    if (err)
        return err;
    struct lb_writer *w = c->op.writer;
    err = write_data(e, w, data, len, piece);
    if (err)
        return err;
    assert_int_equal(w->size, len);
    e->port->ops->commit(w, &c->op);
    return finish(e, c);
}

static inline void check_missing(struct env *e, struct lb_slice key) {
    struct call c = call_for(e, key);
    assert_int_equal(run(e, e->port->ops->head, &c), LB_ERR_NO_SUCH_KEY);
}

static inline int remove_key(struct env *e, struct lb_slice key) {
    struct call c = call_for(e, key);
    return run(e, e->port->ops->remove, &c);
}

#endif

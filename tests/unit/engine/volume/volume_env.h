/* What the tests of the volume engine's operations share: an engine on a fresh file, a loop with
 * worker threads, and operations that run to their end. */
#ifndef LB_TESTS_UNIT_ENGINE_VOLUME_ENV_H
#define LB_TESTS_UNIT_ENGINE_VOLUME_ENV_H

#include "unit/engine/engine_env.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/volume/ops_priv.h"

#define VOLUME_SIZE (96u << 20)

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

static inline void engine_again(struct env *e) {
    engine_close(e);
    engine_open(e);
}

static inline int env_setup(void **state) {
    struct env *e = calloc(1, sizeof(*e));
    assert_non_null(e);
    snprintf(e->dir, sizeof(e->dir), "/tmp/lobos-volume-XXXXXX");
    env_begin(e, LB_IO_AUTO, 2);
    snprintf(e->path, sizeof(e->path), "%s/volume", e->dir);
    engine_open(e);
    struct call c = call_for(e, LB_S(""));
    assert_int_equal(run(e, vol_bucket_create, &c), 0);
    *state = e;
    return 0;
}

static inline int env_teardown(void **state) {
    struct env *e = *state;
    engine_close(e);
    env_end(e);
    unlink(e->path);
    rmdir(e->dir);
    free(e);
    return 0;
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
    return put_call(e, &c, data, len, 65536);
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

static inline uint64_t units_left(struct env *e) {
    struct vol_engine *v = env_volume(e);
    return vol_alloc_free_units(v->alloc) + vol_alloc_later_units(v->alloc);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, env_setup, env_teardown)

#endif

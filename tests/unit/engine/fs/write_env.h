/* What the tests of the filesystem engine's writing half share: an engine on a fresh directory, a
 * loop with worker threads, and operations that run to their end. */
#ifndef LB_TESTS_UNIT_ENGINE_FS_WRITE_ENV_H
#define LB_TESTS_UNIT_ENGINE_FS_WRITE_ENV_H

#include "lib/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/err.h"
#include "engine/fs/fs_priv.h"

#define BUCKET LB_S("box")
#define PATIENCE_NS (60 * 1000000000ull)

struct env {
    char dir[64];
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
    return c;
}

static inline int finish(struct env *e, struct call *c) {
    uint64_t begin_ns = lb_io_now_ns(e->io);
    assert_int_equal(c->calls, 0);
    while (c->calls == 0) {
        assert_int_equal(lb_io_turn(e->io, 100000000), 0);
        assert_true(lb_io_now_ns(e->io) - begin_ns < PATIENCE_NS);
    }
    assert_int_equal(c->calls, 1);
    c->calls = 0;
    return c->err;
}

static inline void engine_open(struct env *e, uint64_t upload_age_max_s) {
    struct lb_fs_conf conf = {.dir = e->dir,
                              .list_cache_max = 1 << 20,
                              .open_files_max = 16,
                              .upload_age_max_s = upload_age_max_s};
    assert_int_equal(lb_fs_open(&conf, lb_vfs_posix(), &e->engine), 0);
    assert_int_equal(e->engine->ops->attach(e->engine, e->io, e->pool, &e->port), 0);
}

static inline void engine_close(struct env *e) {
    e->port->ops->detach(e->port);
    e->engine->ops->free(e->engine);
}

static inline struct fs_engine *env_fs(struct env *e) {
    return LB_CONTAINER_OF(e->engine, struct fs_engine, engine);
}

static inline void env_new(struct env *e, const char *parent, enum lb_io_backend backend) {
    snprintf(e->dir, sizeof(e->dir), "%s/lobos-fs-XXXXXX", parent);
    assert_non_null(mkdtemp(e->dir));
    assert_int_equal(lb_workers_new(4, &e->workers), 0);
    struct lb_io_conf conf = {.backend = backend, .workers = e->workers, .vfs = lb_vfs_posix()};
    assert_int_equal(lb_io_new(&conf, &e->io), 0);
    e->pool = lb_pool_new(64u << 20);
    assert_non_null(e->pool);
    lb_arena_init(&e->arena, 64u << 20);
    engine_open(e, 0);
    struct call c = call_for(e, LB_S(""));
    e->port->ops->bucket_create(e->port, &c.op);
    assert_int_equal(finish(e, &c), 0);
}

static inline int rm_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    return remove(path);
}

static inline void env_free(struct env *e) {
    engine_close(e);
    lb_arena_fini(&e->arena);
    lb_pool_free(e->pool);
    lb_io_free(e->io);
    lb_workers_free(e->workers);
    nftw(e->dir, rm_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static inline int env_setup(void **state) {
    struct env *e = calloc(1, sizeof(*e));
    assert_non_null(e);
    env_new(e, "/tmp", **(enum lb_io_backend **)state);
    *state = e;
    return 0;
}

static inline int env_teardown(void **state) {
    env_free(*state);
    free(*state);
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
        while (calls[i].calls == 0)
            assert_int_equal(lb_io_turn(e->io, 100000000), 0);
        if (calls[i].err && !err)
            err = calls[i].err;
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
    e->port->ops->create(e->port, &c->op);
    int err = finish(e, c);
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

static inline int put(struct env *e, struct lb_slice key, const char *text) {
    struct call c = call_for(e, key);
    c.op.etag = etag_of("0123456789abcdef0123456789abcdef");
    c.op.meta = LB_S("meta");
    c.op.size_hint = strlen(text);
    return put_call(e, &c, text, strlen(text), 4096);
}

/* Reads an object as a whole (at most cap bytes). Returns its size or an error; info in c. */
static inline int64_t get(struct env *e, struct call *c, char *buf, size_t cap) {
    const struct lb_engine_ops *ops = e->port->ops;
    ops->open(e->port, &c->op);
    int err = finish(e, c);
    if (err)
        return err;
    struct lb_reader *r = c->op.reader;
    uint64_t size = r->info.size, at = 0;
    c->op.info = r->info;
    assert_true(size <= cap);
    assert_int_equal(lb_arena_copy(&e->arena, r->info.meta, &c->op.info.meta), 0);
    while (at < size) {
        ops->read(r, &c->op, at, size - at, false);
        assert_int_equal(finish(e, c), 0);
        struct lb_piece *p = &c->op.piece;
        assert_true(p->len >= 1 && p->len <= size - at);
        if (p->fd >= 0)
            assert_int_equal(pread(p->fd, buf + at, p->len, (off_t)p->off), p->len);
        else
            memcpy(buf + at, p->buf->ptr + p->buf_at, p->len);
        lb_pool_put(p->buf);
        p->buf = NULL;
        at += p->len;
    }
    ops->reader_close(r);
    return (int64_t)size;
}

static inline void check_text(struct env *e, struct lb_slice key, const char *text) {
    char buf[256];
    struct call c = call_for(e, key);
    assert_int_equal(get(e, &c, buf, sizeof(buf)), strlen(text));
    assert_memory_equal(buf, text, strlen(text));
}

static inline void check_missing(struct env *e, struct lb_slice key) {
    struct call c = call_for(e, key);
    e->port->ops->head(e->port, &c.op);
    assert_int_equal(finish(e, &c), LB_ERR_NO_SUCH_KEY);
}

static inline int remove_key(struct env *e, struct lb_slice key) {
    struct call c = call_for(e, key);
    e->port->ops->remove(e->port, &c.op);
    return finish(e, &c);
}

/* Entries of a directory below the data root; 0 when it is not there. */
static inline size_t entries_in(struct env *e, const char *rest) {
    char path[512];
    size_t n = 0;
    snprintf(path, sizeof(path), "%s/%s", e->dir, rest);
    DIR *d = opendir(path);
    for (struct dirent *de; d && (de = readdir(d));)
        n += strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0;
    if (d)
        closedir(d);
    return n;
}

static inline bool exists(struct env *e, const char *rest) {
    char path[512];
    struct stat st;
    snprintf(path, sizeof(path), "%s/%s", e->dir, rest);
    return lstat(path, &st) == 0;
}

static inline void make_dir(struct env *e, const char *rest) {
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", e->dir, rest);
    assert_int_equal(mkdir(path, 0755), 0);
}

/* A file as another program writes it. */
static inline void make_file(struct env *e, const char *rest, const char *text) {
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", e->dir, rest);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static inline void check_tmp_empty(struct env *e) {
    /* An abort cleans up behind the operation. */
    struct fs_port *p = LB_CONTAINER_OF(e->port, struct fs_port, port);
    while (p->background)
        assert_int_equal(lb_io_turn(e->io, 100000000), 0);
    assert_int_equal(entries_in(e, "box/.lobos/tmp"), 0);
}

struct named_test {
    const char *name;
    CMUnitTestFunction fn;
};

#define TEST(fn) \
    { #fn, fn }

/* Runs every test on each back end; on epoll alone where the system refuses io_uring. */
static inline int run_on_both(const struct named_test *tests, size_t n) {
    static enum lb_io_backend backends[] = {LB_IO_POSIX, LB_IO_URING};
    static enum lb_io_backend *at[2 * 64];
    static struct CMUnitTest all[2 * 64];
    struct lb_io_conf conf = {.backend = LB_IO_URING};
    struct lb_io *io = NULL;
    size_t all_n = 0, backends_n = lb_io_new(&conf, &io) < 0 ? 1 : 2;
    lb_io_free(io);
    for (size_t b = 0; b < backends_n; b++) {
        for (size_t i = 0; i < n; i++, all_n++) {
            at[all_n] = &backends[b];
            all[all_n] = (struct CMUnitTest){tests[i].name, tests[i].fn, env_setup, env_teardown,
                                             &at[all_n]};
        }
    }
    return _cmocka_run_group_tests("fs", all, all_n, NULL, NULL);
}

#endif

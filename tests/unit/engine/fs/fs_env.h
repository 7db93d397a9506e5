/* What the tests of the filesystem engine share: a temporary directory on the system's files, a
 * loop with workers, an engine with one port, and operations that are waited for. */
#ifndef LB_TESTS_UNIT_ENGINE_FS_ENV_H
#define LB_TESTS_UNIT_ENGINE_FS_ENV_H

#include "lib/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/fs/fs_priv.h"

#define FS_PATIENCE_TURNS 100000
#define FS_ARENA_MAX (16u << 20)

struct fs_env {
    char dir[64];
    struct lb_workers *workers;
    struct lb_io *io;
    struct lb_pool *pool;
    struct lb_engine *engine;
    struct lb_engine_port *port;
    struct lb_arena arena;
    int done; /* completions seen */
    int err;  /* of the last */
};

static inline void fs_op_done(struct lb_engine_op *op, int err) {
    struct fs_env *e = op->user;
    e->done++;
    e->err = err;
}

static inline struct lb_engine_op fs_op(struct fs_env *e, const char *bucket, const char *key) {
    return (struct lb_engine_op){.done = fs_op_done,
                                 .arena = &e->arena,
                                 .user = e,
                                 .bucket = lb_slice_cstr(bucket),
                                 .key = lb_slice_cstr(key),
                                 .max = 1000,
                                 .size_hint = LB_SIZE_UNKNOWN};
}

/* Runs the loop until the operation that was just started is complete. */
static inline int fs_wait(struct fs_env *e) {
    assert_int_equal(e->done, 0); /* never from inside the call */
    for (int i = 0; e->done == 0 && i < FS_PATIENCE_TURNS; i++)
        assert_int_equal(lb_io_turn(e->io, 100000000), 0);
    assert_int_equal(e->done, 1);
    e->done = 0;
    return e->err;
}

typedef void (*fs_method)(struct lb_engine_port *p, struct lb_engine_op *op);

static inline int fs_run(struct fs_env *e, fs_method method, struct lb_engine_op *op) {
    method(e->port, op);
    return fs_wait(e);
}

static inline void fs_env_open(struct fs_env *e, const char *single_bucket) {
    struct lb_fs_conf conf = {.dir = e->dir,
                              .single_bucket = single_bucket,
                              .list_cache_max = 1u << 20,
                              .open_files_max = 64};
    assert_int_equal(lb_fs_open(&conf, lb_vfs_posix(), &e->engine), 0);
    assert_int_equal(e->engine->ops->attach(e->engine, e->io, e->pool, &e->port), 0);
}

static inline void fs_env_close(struct fs_env *e) {
    e->engine->ops->detach(e->port);
    e->engine->ops->free(e->engine);
}

static inline struct fs_engine *fs_env_fs(struct fs_env *e) {
    return fs_of(e->port);
}

static inline struct fs_env *fs_env_new(const char *single_bucket) {
    struct fs_env *e = calloc(1, sizeof(*e));
    assert_non_null(e);
    snprintf(e->dir, sizeof(e->dir), "/tmp/lobos-fs-XXXXXX");
    assert_non_null(mkdtemp(e->dir));
    assert_int_equal(lb_workers_new(2, &e->workers), 0);
    struct lb_io_conf conf = {.backend = LB_IO_POSIX, .workers = e->workers, .vfs = lb_vfs_posix()};
    assert_int_equal(lb_io_new(&conf, &e->io), 0);
    e->pool = lb_pool_new(8u << 20);
    assert_non_null(e->pool);
    lb_arena_init(&e->arena, FS_ARENA_MAX);
    fs_env_open(e, single_bucket);
    return e;
}

static inline void fs_env_free(struct fs_env *e) {
    char command[192];
    fs_env_close(e);
    lb_io_free(e->io);
    lb_workers_free(e->workers);
    assert_int_equal(lb_pool_used(e->pool), 0);
    lb_pool_free(e->pool);
    lb_arena_fini(&e->arena);
    snprintf(command, sizeof(command), "chmod -R u+rwX '%s' && rm -rf '%s'", e->dir, e->dir);
    assert_int_equal(system(command), 0);
    free(e);
}

/* Lets what was written last grow older than FS_RACY_NS: from then on it is cached. */
static inline void fs_settle(struct fs_env *e) {
    usleep(FS_RACY_NS / 1000 + 10000);
    assert_int_equal(lb_io_turn(e->io, 0), 0); /* the loop reads the clock once a turn */
}

static inline int fs_setup(void **state) {
    *state = fs_env_new(NULL);
    return 0;
}

static inline int fs_teardown(void **state) {
    fs_env_free(*state);
    return 0;
}

/* ---- what another program does ---- */

static inline void foreign_path(const struct fs_env *e, const char *path, char ret[FS_PATH_MAX]) {
    assert_true(snprintf(ret, FS_PATH_MAX, "%s/%s", e->dir, path) < FS_PATH_MAX);
}

static inline void foreign_mkdir(const struct fs_env *e, const char *path) {
    char full[FS_PATH_MAX];
    foreign_path(e, path, full);
    assert_true(mkdir(full, 0755) == 0 || errno == EEXIST);
}

/* Writes a file, making the directories above it. */
static inline void foreign_write(const struct fs_env *e, const char *path, const char *text) {
    char full[FS_PATH_MAX];
    foreign_path(e, path, full);
    for (char *slash = full + strlen(e->dir) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        assert_true(mkdir(full, 0755) == 0 || errno == EEXIST);
        *slash = '/';
    }
    int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static inline void foreign_unlink(const struct fs_env *e, const char *path) {
    char full[FS_PATH_MAX];
    foreign_path(e, path, full);
    assert_int_equal(unlink(full), 0);
}

static inline void foreign_symlink(const struct fs_env *e, const char *target, const char *path) {
    char full[FS_PATH_MAX];
    foreign_path(e, path, full);
    assert_int_equal(symlink(target, full), 0);
}

/* ---- what a client does ---- */

static inline void bucket_create(struct fs_env *e, const char *name) {
    struct lb_engine_op op = fs_op(e, name, NULL);
    assert_int_equal(fs_run(e, fs_bucket_create, &op), 0);
}

/* Stores an object through the engine, all of it in one buffer. Returns the commit's error. */
static inline int object_put(struct fs_env *e, const char *bucket, struct lb_slice key,
                             const char *text, struct lb_slice meta) {
    struct lb_engine_op op = fs_op(e, bucket, NULL);
    op.key = key;
    op.relaxed = true;
    int err = fs_run(e, fs_create, &op);
    if (err)
        return err;
    struct lb_writer *w = op.writer;
    size_t len = strlen(text);
    if (len) {
        struct lb_pool_buf *buf = lb_pool_get(e->pool, len);
        assert_non_null(buf);
        memcpy(buf->ptr, text, len);
        buf->len = (uint32_t)len;
        fs_write(w, &op, buf);
        assert_int_equal(fs_wait(e), 0);
        lb_pool_put(buf);
    }
    op.etag = (struct lb_etag){.text = "0123456789abcdef0123456789abcdef", .len = 32};
    op.meta = meta;
    fs_commit(w, &op);
    return fs_wait(e);
}

#endif

/* What the tests of the filesystem engine's writing half share: an engine on a fresh directory, a
 * loop with worker threads, and operations that run to their end. */
#ifndef LB_TESTS_UNIT_ENGINE_FS_WRITE_ENV_H
#define LB_TESTS_UNIT_ENGINE_FS_WRITE_ENV_H

#include "unit/engine/engine_env.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "engine/fs/fs_priv.h"

static inline void engine_open(struct env *e, uint64_t upload_age_max_s) {
    struct lb_fs_conf conf = {.dir = e->dir,
                              .list_cache_max = 1 << 20,
                              .open_files_max = 16,
                              .upload_age_max_s = upload_age_max_s};
    assert_int_equal(lb_fs_open(&conf, lb_vfs_posix(), &e->engine), 0);
    assert_int_equal(e->engine->ops->attach(e->engine, e->io, e->pool, &e->port), 0);
}

static inline struct fs_engine *env_fs(struct env *e) {
    return LB_CONTAINER_OF(e->engine, struct fs_engine, engine);
}

static inline void env_new(struct env *e, const char *parent, enum lb_io_backend backend) {
    snprintf(e->dir, sizeof(e->dir), "%s/lobos-fs-XXXXXX", parent);
    env_begin(e, backend, 4);
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
    env_end(e);
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

static inline int put(struct env *e, struct lb_slice key, const char *text) {
    struct call c = call_for(e, key);
    c.op.etag = etag_of(ETAG);
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

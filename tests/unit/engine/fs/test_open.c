/* Finding, opening and reading objects, and the cache between. */
#include "fs_env.h"

static int open_key(struct fs_env *e, const char *key, struct lb_engine_op *op) {
    *op = fs_op(e, "b", key);
    return fs_run(e, fs_open, op);
}

static struct lb_object_info head(struct fs_env *e, const char *key) {
    struct lb_engine_op op = fs_op(e, "b", key);
    assert_int_equal(fs_run(e, fs_head, &op), 0);
    return op.info;
}

static int head_err(struct fs_env *e, const char *bucket, const char *key) {
    struct lb_engine_op op = fs_op(e, bucket, key);
    return fs_run(e, fs_head, &op);
}

/* All bytes of an object, through buffers or files. */
static void read_all(struct fs_env *e, struct lb_reader *r, bool files, struct lb_buf *ret) {
    struct lb_engine_op op = fs_op(e, "b", NULL);
    lb_buf_init(ret, 64u << 20);
    while (ret->len < r->info.size) {
        fs_read(r, &op, ret->len, r->info.size - ret->len, files);
        assert_int_equal(fs_wait(e), 0);
        assert_true(op.piece.len > 0 && op.piece.len <= r->info.size - ret->len);
        char *to = lb_buf_reserve(ret, op.piece.len);
        assert_non_null(to);
        if (op.piece.buf) {
            memcpy(to, op.piece.buf->ptr + op.piece.buf_at, op.piece.len);
            lb_pool_put(op.piece.buf);
        } else {
            assert_true(files);
            assert_int_equal(pread(op.piece.fd, to, op.piece.len, (off_t)op.piece.off),
                             op.piece.len);
        }
        ret->len += op.piece.len;
    }
}

static void check_text(struct fs_env *e, const char *key, const char *text) {
    struct lb_engine_op op;
    struct lb_buf bytes;
    assert_int_equal(open_key(e, key, &op), 0);
    assert_int_equal(op.info.size, strlen(text));
    for (int files = 0; files < 2; files++) {
        read_all(e, op.reader, files, &bytes);
        assert_true(lb_slice_eq(lb_buf_slice(&bytes), lb_slice_cstr(text)));
        lb_buf_fini(&bytes);
    }
    fs_reader_close(op.reader);
}

static void test_foreign_file(void **state) {
    struct fs_env *e = *state;
    foreign_write(e, "b/dir/file", "hello");
    check_text(e, "dir/file", "hello");
    struct lb_object_info info = head(e, "dir/file");
    assert_int_equal(info.etag.len, 34);
    assert_int_equal(info.meta.len, 0);
}

static void test_own_object(void **state) {
    struct fs_env *e = *state;
    bucket_create(e, "b");
    assert_int_equal(object_put(e, "b", LB_S("dir/file"), "hello", LB_S("meta")), 0);
    assert_int_equal(object_put(e, "b", LB_S("dir"), "hidden by the directory", LB_S("m2")), 0);
    assert_int_equal(object_put(e, "b", LB_S("a//b/../c/"), "no path", LB_S("m3")), 0);
    for (int settled = 0; settled < 2; settled++) {
        for (int again = 0; again < 3; again++) {
            check_text(e, "dir/file", "hello");
            check_text(e, "dir", "hidden by the directory");
            check_text(e, "a//b/../c/", "no path");
            struct lb_object_info info = head(e, "dir/file");
            CHECK_SLICE(info.meta, "meta");
            CHECK_SLICE(lb_etag_slice(&info.etag), "0123456789abcdef0123456789abcdef");
            CHECK_SLICE(head(e, "dir").meta, "m2");
            CHECK_SLICE(head(e, "a//b/../c/").meta, "m3");
        }
        fs_settle(e);
    }
}

/* What is hidden is found again by an engine that has just started. */
static void test_hidden_after_restart(void **state) {
    struct fs_env *e = *state;
    bucket_create(e, "b");
    assert_int_equal(object_put(e, "b", LB_S("x//y"), "text", lb_slice(NULL, 0)), 0);
    fs_env_close(e);
    fs_env_open(e, NULL);
    assert_int_equal(head_err(e, "b", "x//z"), LB_ERR_NO_SUCH_KEY);
    check_text(e, "x//y", "text");
    assert_true(fs_keys_maybe(fs_env_fs(e), FS_KEYS_HIDDEN, LB_S("b"), LB_S("x//y")));
    assert_false(fs_keys_maybe(fs_env_fs(e), FS_KEYS_HIDDEN, LB_S("b"), LB_S("x//z")));
}

static void test_not_there(void **state) {
    struct fs_env *e = *state;
    char full[FS_PATH_MAX];
    foreign_write(e, "b/file", "x");
    foreign_write(e, "plain", "x");
    foreign_path(e, "b/fifo", full);
    assert_int_equal(mkfifo(full, 0644), 0);
    foreign_mkdir(e, "b/dir");
    foreign_symlink(e, "/etc/passwd", "b/out");
    foreign_symlink(e, "../../etc", "b/up");
    foreign_write(e, "b/.lobos/secret", "x");
    static const char *const keys[] = {
        "none", "file/below", "fifo",        "dir",   "out",   "up/passwd", ".lobos/secret",
        "..",   "../plain",   "dir/../file", "/file", "file/", "./file",    "dir//file"};
    for (int again = 0; again < 2; again++) {
        for (size_t i = 0; i < CHECK_COUNT(keys); i++)
            assert_int_equal(head_err(e, "b", keys[i]), LB_ERR_NO_SUCH_KEY);
        assert_int_equal(head_err(e, "c", "file"), LB_ERR_NO_SUCH_BUCKET);
        assert_int_equal(head_err(e, "plain", "file"), LB_ERR_NO_SUCH_BUCKET);
        assert_int_equal(head_err(e, "..", "file"), LB_ERR_NO_SUCH_BUCKET);
        assert_int_equal(head_err(e, "b/dir", "file"), LB_ERR_NO_SUCH_BUCKET);
    }
    struct lb_engine_op op;
    assert_int_equal(open_key(e, "none", &op), LB_ERR_NO_SUCH_KEY);
    assert_null(op.reader);
}

static void test_symlinks_inside(void **state) {
    struct fs_env *e = *state;
    foreign_write(e, "b/a/file", "text");
    foreign_symlink(e, "a/file", "b/link");
    foreign_symlink(e, "../b/a", "b/dir");
    fs_settle(e);
    for (int i = 0; i < 3; i++) {
        check_text(e, "link", "text");
        check_text(e, "dir/file", "text");
    }
    foreign_unlink(e, "b/link");
    foreign_symlink(e, "a/other", "b/link");
    foreign_write(e, "b/a/other", "changed");
    check_text(e, "link", "changed");
}

/* Whatever another program does to a cached file is seen by the next open. */
static void test_foreign_changes_show_at_once(void **state) {
    struct fs_env *e = *state;
    char from[FS_PATH_MAX], to[FS_PATH_MAX];
    foreign_write(e, "b/f", "one");
    for (int i = 0; i < 2; i++) {
        if (i)
            fs_settle(e);
        check_text(e, "f", i ? "three" : "one");
        check_text(e, "f", i ? "three" : "one");
        foreign_write(e, "b/f", "two, longer");
        check_text(e, "f", "two, longer");
        foreign_write(e, "b/tmp", "three");
        foreign_path(e, "b/tmp", from);
        foreign_path(e, "b/f", to);
        assert_int_equal(rename(from, to), 0);
        check_text(e, "f", "three");
    }
    foreign_unlink(e, "b/f");
    assert_int_equal(head_err(e, "b", "f"), LB_ERR_NO_SUCH_KEY);
}

static void test_foreign_write_takes_attributes_away(void **state) {
    struct fs_env *e = *state;
    bucket_create(e, "b");
    assert_int_equal(object_put(e, "b", LB_S("f"), "own", LB_S("meta")), 0);
    fs_settle(e);
    assert_int_equal(head(e, "f").etag.len, 32);
    foreign_write(e, "b/f", "theirs");
    assert_int_equal(head(e, "f").etag.len, 34);
    assert_int_equal(head(e, "f").meta.len, 0);
    check_text(e, "f", "theirs");
}

static void test_torn_is_not_served(void **state) {
    struct fs_env *e = *state;
    char full[FS_PATH_MAX];
    struct stat st;
    struct lb_engine_op op;
    bucket_create(e, "b");
    assert_int_equal(object_put(e, "b", LB_S("f"), "whole", lb_slice(NULL, 0)), 0);
    foreign_path(e, "b/f", full);
    assert_int_equal(stat(full, &st), 0);
    assert_int_equal(truncate(full, 3), 0);
    struct timespec times[2] = {st.st_atim, st.st_mtim};
    assert_int_equal(utimensat(AT_FDCWD, full, times, 0), 0);
    assert_int_equal(open_key(e, "f", &op), LB_ERR_CORRUPT);
    assert_int_equal(head_err(e, "b", "f"), LB_ERR_CORRUPT);
    op = fs_op(e, "b", NULL); /* it is still listed, and can be deleted */
    assert_int_equal(fs_run(e, fs_list, &op), 0);
    assert_int_equal(op.list.n, 1);
}

/* A reader keeps its version while the object is replaced and deleted. */
static void test_reader_keeps_its_version(void **state) {
    struct fs_env *e = *state;
    struct lb_engine_op op;
    struct lb_buf bytes;
    bucket_create(e, "b");
    assert_int_equal(object_put(e, "b", LB_S("f"), "version one", LB_S("m1")), 0);
    fs_settle(e);
    assert_int_equal(open_key(e, "f", &op), 0);
    struct lb_reader *r = op.reader;
    assert_int_equal(object_put(e, "b", LB_S("f"), "two", LB_S("m2")), 0);
    check_text(e, "f", "two");
    foreign_unlink(e, "b/f");
    assert_int_equal(head_err(e, "b", "f"), LB_ERR_NO_SUCH_KEY);
    read_all(e, r, true, &bytes);
    CHECK_SLICE(lb_buf_slice(&bytes), "version one");
    CHECK_SLICE(r->info.meta, "m1");
    lb_buf_fini(&bytes);
    fs_reader_close(r);
    fs_reader_close(NULL);
}

static void test_cut_short_while_read(void **state) {
    struct fs_env *e = *state;
    struct lb_engine_op op, read = fs_op(e, "b", NULL);
    char full[FS_PATH_MAX];
    foreign_write(e, "b/f", "0123456789");
    foreign_path(e, "b/f", full);
    assert_int_equal(open_key(e, "f", &op), 0);
    assert_int_equal(truncate(full, 4), 0);
    fs_read(op.reader, &read, 0, 10, false);
    assert_int_equal(fs_wait(e), LB_ERR_OBJECT_CHANGED);
    fs_read(op.reader, &read, 0, 10, true); /* the second piece: it has another time and size */
    assert_int_equal(fs_wait(e), LB_ERR_OBJECT_CHANGED);
    fs_reader_close(op.reader);
}

static void write_big(struct fs_env *e, const char *path, size_t size) {
    char full[FS_PATH_MAX];
    foreign_path(e, path, full);
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    for (uint32_t i = 0; i < size / 4; i++)
        assert_int_equal(fwrite(&i, 4, 1, f), 1);
    assert_int_equal(fclose(f), 0);
}

static void test_large_object(void **state) {
    struct fs_env *e = *state;
    struct lb_engine_op op;
    struct lb_buf bytes;
    size_t size = 3u << 20;
    foreign_mkdir(e, "b");
    write_big(e, "b/big", size);
    assert_int_equal(open_key(e, "big", &op), 0);
    for (int files = 0; files < 2; files++) {
        read_all(e, op.reader, files, &bytes);
        assert_int_equal(bytes.len, size);
        for (uint32_t i = 0; i < size / 4; i++)
            assert_memory_equal(bytes.ptr + (size_t)i * 4, &i, 4);
        lb_buf_fini(&bytes);
    }
    struct lb_engine_op read = fs_op(e, "b", NULL);
    fs_read(op.reader, &read, 1000001, 1, false);
    assert_int_equal(fs_wait(e), 0);
    assert_int_equal(read.piece.len, 1);
    uint32_t number = 1000001 / 4;
    assert_int_equal(read.piece.buf->ptr[read.piece.buf_at], ((char *)&number)[1]);
    lb_pool_put(read.piece.buf);
    fs_reader_close(op.reader);
}

/* Without memory a read waits, and goes on when there is some. */
static void test_waits_for_memory(void **state) {
    struct fs_env *e = *state;
    struct lb_engine_op op, read = fs_op(e, "b", NULL);
    struct lb_pool_buf *taken[64];
    size_t n = 0;
    foreign_write(e, "b/f", "text");
    assert_int_equal(open_key(e, "f", &op), 0);
    while (n < 64 && (taken[n] = lb_pool_get(e->pool, LB_POOL_BUF_MAX)))
        n++;
    assert_true(n > 0 && n < 64);
    fs_read(op.reader, &read, 0, 4, false);
    for (int i = 0; i < 20; i++)
        lb_io_turn(e->io, 1000000);
    assert_int_equal(e->done, 0);
    while (n)
        lb_pool_put(taken[--n]);
    assert_int_equal(fs_wait(e), 0);
    assert_int_equal(read.piece.len, 4);
    lb_pool_put(read.piece.buf);
    fs_reader_close(op.reader);
}

static unsigned open_fds(void) {
    unsigned n = 0;
    for (int fd = 0; fd < 4096; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* More objects than may be open: the cache stays at its bound, and what readers hold lives on. */
static void test_cache_is_bounded(void **state) {
    struct fs_env *e = *state;
    struct lb_engine_op first;
    foreign_write(e, "b/first", "first");
    for (int i = 0; i < 300; i++) {
        char path[32];
        snprintf(path, sizeof(path), "b/f%d", i);
        foreign_write(e, path, path);
    }
    fs_settle(e);
    assert_int_equal(open_key(e, "first", &first), 0);
    unsigned before = open_fds();
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 300; i++) {
            char path[32];
            snprintf(path, sizeof(path), "b/f%d", i);
            check_text(e, path + 2, path);
        }
    }
    assert_in_range(open_fds(), before + 60, before + 64);
    struct lb_buf bytes;
    read_all(e, first.reader, true, &bytes);
    CHECK_SLICE(lb_buf_slice(&bytes), "first");
    lb_buf_fini(&bytes);
    fs_reader_close(first.reader);
}

/* A deleted file's descriptor is given up by itself, or its space would not come free. */
static void test_deleted_files_are_closed(void **state) {
    struct fs_env *e = *state;
    foreign_write(e, "b/f", "text");
    foreign_write(e, "b/stays", "text");
    unsigned before = open_fds();
    fs_settle(e);
    check_text(e, "f", "text");
    check_text(e, "stays", "text");
    assert_int_equal(open_fds(), before + 2);
    foreign_unlink(e, "b/f");
    for (int i = 0; i < 400 && open_fds() != before + 1; i++)
        lb_io_turn(e->io, 10000000);
    assert_int_equal(open_fds(), before + 1);
    check_text(e, "stays", "text");
}

static void test_preconditions(void **state) {
    struct lb_object_info there = {.size = 5, .mtime_ns = -1, .etag = {"abc", 3}};
    static const struct {
        struct lb_precond p;
        int with, without;
    } cases[] = {
        {{.if_match = {NULL, 0}}, 0, 0},
        {{.if_match = {"abc", 3}}, 0, LB_ERR_NO_SUCH_KEY},
        {{.if_match = {"abd", 3}}, LB_ERR_PRECONDITION_FAILED, LB_ERR_NO_SUCH_KEY},
        {{.if_match = {"*", 1}}, 0, LB_ERR_NO_SUCH_KEY},
        {{.if_none_match = {"*", 1}}, LB_ERR_PRECONDITION_FAILED, 0},
        {{.if_none_match = {"abc", 3}}, LB_ERR_PRECONDITION_FAILED, 0},
        {{.if_none_match = {"abd", 3}}, 0, 0},
        {{.has_size = true, .if_size = 5}, 0, 0},
        {{.has_size = true, .if_size = 0}, LB_ERR_PRECONDITION_FAILED, 0},
        {{.has_mtime = true, .if_mtime_s = -1}, 0, 0},
        {{.has_mtime = true, .if_mtime_s = 0}, LB_ERR_PRECONDITION_FAILED, 0},
        {{.if_match = {"abc", 3}, .has_size = true, .if_size = 6},
         LB_ERR_PRECONDITION_FAILED,
         LB_ERR_NO_SUCH_KEY},
    };
    for (size_t i = 0; i < CHECK_COUNT(cases); i++) {
        assert_int_equal(lb_precond_check(&cases[i].p, &there), cases[i].with);
        assert_int_equal(lb_precond_check(&cases[i].p, NULL), cases[i].without);
    }
}

int main(void) {
#define T(test) cmocka_unit_test_setup_teardown(test, fs_setup, fs_teardown)
    const struct CMUnitTest tests[] = {
        T(test_foreign_file),
        T(test_own_object),
        T(test_hidden_after_restart),
        T(test_not_there),
        T(test_symlinks_inside),
        T(test_foreign_changes_show_at_once),
        T(test_foreign_write_takes_attributes_away),
        T(test_torn_is_not_served),
        T(test_reader_keeps_its_version),
        T(test_cut_short_while_read),
        T(test_large_object),
        T(test_waits_for_memory),
        T(test_cache_is_bounded),
        T(test_deleted_files_are_closed),
        cmocka_unit_test(test_preconditions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

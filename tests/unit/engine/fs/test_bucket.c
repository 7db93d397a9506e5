/* Buckets: made, listed, described, deleted; and the engine's own opening. */
#include "fs_env.h"

static int bucket_op(struct fs_env *e, fs_method method, const char *name) {
    struct lb_engine_op op = fs_op(e, name, NULL);
    return fs_run(e, method, &op);
}

static void test_create_and_head(void **state) {
    struct fs_env *e = *state;
    struct lb_engine_op op = fs_op(e, "photos", NULL);
    op.settings = LB_S("the settings");
    assert_int_equal(fs_run(e, fs_bucket_create, &op), 0);
    int64_t created = op.run.wall_ns;
    assert_int_equal(fs_run(e, fs_bucket_create, &op), LB_ERR_BUCKET_EXISTS);
    foreign_write(e, "photos/file", "x"); /* changes the directory's time, not the bucket's */
    for (int restarted = 0; restarted < 2; restarted++) {
        op = fs_op(e, "photos", NULL);
        assert_int_equal(fs_run(e, fs_bucket_head, &op), 0);
        assert_int_equal(op.n, 1);
        CHECK_SLICE(op.buckets[0].name, "photos");
        CHECK_SLICE(op.buckets[0].settings, "the settings");
        assert_int_equal(op.buckets[0].created_ns, created);
        fs_env_close(e);
        fs_env_open(e, NULL);
    }
    op = fs_op(e, "photos", NULL);
    op.settings = LB_S("others");
    assert_int_equal(fs_run(e, fs_bucket_set, &op), 0);
    assert_int_equal(fs_run(e, fs_bucket_head, &op), 0);
    CHECK_SLICE(op.buckets[0].settings, "others");
    assert_int_equal(op.buckets[0].created_ns, created);
}

static void test_create_refuses(void **state) {
    struct fs_env *e = *state;
    static const char *const bad[] = {"", ".", "..", ".lobos", "a/b", ".hidden"};
    for (size_t i = 0; i < CHECK_COUNT(bad); i++)
        assert_int_equal(bucket_op(e, fs_bucket_create, bad[i]), LB_ERR_INVALID_BUCKET_NAME);
    foreign_write(e, "file", "x");
    assert_int_equal(bucket_op(e, fs_bucket_create, "file"), LB_ERR_BUCKET_EXISTS);
    assert_int_equal(bucket_op(e, fs_bucket_head, "file"), LB_ERR_NO_SUCH_BUCKET);
    assert_int_equal(bucket_op(e, fs_bucket_head, "none"), LB_ERR_NO_SUCH_BUCKET);
    assert_int_equal(bucket_op(e, fs_bucket_set, "none"), LB_ERR_NO_SUCH_BUCKET);
    assert_int_equal(bucket_op(e, fs_bucket_delete, "none"), LB_ERR_NO_SUCH_BUCKET);
    assert_int_equal(bucket_op(e, fs_bucket_delete, ".."), LB_ERR_NO_SUCH_BUCKET);
}

static void test_delete(void **state) {
    struct fs_env *e = *state;
    bucket_create(e, "b");
    assert_int_equal(object_put(e, "b", LB_S("a/b"), "x", lb_slice(NULL, 0)), 0);
    assert_int_equal(bucket_op(e, fs_bucket_delete, "b"), LB_ERR_BUCKET_NOT_EMPTY);
    foreign_unlink(e, "b/a/b");
    assert_int_equal(object_put(e, "b", LB_S("a//b"), "x", lb_slice(NULL, 0)), 0);
    assert_int_equal(bucket_op(e, fs_bucket_delete, "b"), LB_ERR_BUCKET_NOT_EMPTY);
    struct lb_engine_op op = fs_op(e, "b", "a//b");
    assert_int_equal(fs_run(e, fs_remove, &op), 0);
    foreign_mkdir(e, "b/empty");
    assert_int_equal(bucket_op(e, fs_bucket_delete, "b"), 0);
    assert_int_equal(bucket_op(e, fs_bucket_head, "b"), LB_ERR_NO_SUCH_BUCKET);
    char full[FS_PATH_MAX];
    foreign_path(e, ".lobos/trash", full);
    assert_int_equal(rmdir(full), 0); /* nothing was left there */
    assert_int_equal(mkdir(full, 0755), 0);
    bucket_create(e, "b"); /* and a new one has nothing of the old */
    op = fs_op(e, "b", NULL);
    assert_int_equal(fs_run(e, fs_list, &op), 0);
    assert_int_equal(op.list.n, 0);
}

/* What a client cannot see is not destroyed by one. */
static void test_delete_spares_what_is_not_listed(void **state) {
    struct fs_env *e = *state;
    foreign_write(e, "b/x/latin-\xe4", "x");
    assert_int_equal(bucket_op(e, fs_bucket_delete, "b"), LB_ERR_BUCKET_NOT_EMPTY);
    foreign_unlink(e, "b/x/latin-\xe4");
    foreign_symlink(e, "nowhere", "b/x/link");
    assert_int_equal(bucket_op(e, fs_bucket_delete, "b"), LB_ERR_BUCKET_NOT_EMPTY);
    foreign_unlink(e, "b/x/link");
    foreign_write(e, "other/file", "x");
    assert_int_equal(bucket_op(e, fs_bucket_delete, "b"), 0);
    foreign_symlink(e, "other", "link");
    assert_int_equal(bucket_op(e, fs_bucket_delete, "link"), LB_ERR_BUCKET_NOT_EMPTY);
    assert_int_equal(bucket_op(e, fs_bucket_head, "other"), 0);
}

static void test_tree_remove_follows_no_symlink(void **state) {
    struct fs_env *e = *state;
    foreign_write(e, "keep/file", "x");
    foreign_write(e, "gone/a/b/c", "x");
    foreign_symlink(e, "../keep", "gone/link");
    foreign_symlink(e, "keep", "top");
    assert_int_equal(fs_tree_remove(fs_env_fs(e), "gone"), 0);
    assert_int_equal(fs_tree_remove(fs_env_fs(e), "gone"), 0);
    assert_int_equal(fs_tree_remove(fs_env_fs(e), "top"), 0);
    char full[FS_PATH_MAX];
    foreign_path(e, "keep/file", full);
    assert_int_equal(access(full, F_OK), 0);
    foreign_path(e, "top", full);
    assert_int_equal(access(full, F_OK), -1);
}

static void check_names(struct fs_env *e, struct lb_engine_op *op, const char *names,
                        bool truncated) {
    char got[256] = "";
    assert_int_equal(fs_run(e, fs_bucket_list, op), 0);
    for (size_t i = 0; i < op->n; i++) {
        strcat(got, i ? " " : "");
        strncat(got, op->buckets[i].name.ptr, op->buckets[i].name.len);
    }
    assert_string_equal(got, names);
    assert_int_equal(op->truncated, truncated);
}

static void test_list(void **state) {
    struct fs_env *e = *state;
    struct lb_engine_op op = fs_op(e, NULL, NULL);
    check_names(e, &op, "", false);
    static const char *const dirs[] = {"b", "a-b", "a", "ab", "Not S3", ".hidden", "latin-\xe4"};
    for (size_t i = 0; i < CHECK_COUNT(dirs); i++)
        foreign_mkdir(e, dirs[i]);
    foreign_write(e, "file", "x");
    foreign_symlink(e, "a", "link");
    foreign_symlink(e, "/etc", "outside");
    check_names(e, &op, "Not S3 a a-b ab b link", false);
    op.max = 2;
    check_names(e, &op, "Not S3 a", true);
    op.after = LB_S("a");
    check_names(e, &op, "a-b ab", true);
    op.after = LB_S("ab");
    check_names(e, &op, "b link", false);
    op.after = lb_slice(NULL, 0);
    op.prefix = LB_S("a");
    op.max = 10;
    check_names(e, &op, "a a-b ab", false);
}

static int open_closed(struct lb_vfs *v, int dir, const char *path, unsigned flags, unsigned mode) {
    struct lb_vfs *posix = lb_vfs_posix();
    return strncmp(path, "lost+found/", 11) == 0 ? -EACCES
                                                 : posix->ops->open(posix, dir, path, flags, mode);
}

/* A directory that the server may not look into, as is at the top of many a filesystem. */
static void test_list_closed(void **state) {
    struct fs_env *e = *state;
    struct lb_engine_op op = fs_op(e, NULL, NULL);
    struct lb_vfs_ops ops = *lb_vfs_posix()->ops;
    struct lb_vfs vfs = {.ops = &ops};
    ops.open = open_closed;
    foreign_mkdir(e, "a");
    foreign_mkdir(e, "lost+found");
    foreign_mkdir(e, "z");
    fs_env_fs(e)->vfs = &vfs;
    check_names(e, &op, "a z", false);
    op.max = 1;
    check_names(e, &op, "a", true);
    fs_env_fs(e)->vfs = lb_vfs_posix();
}

static void test_damaged_settings(void **state) {
    struct fs_env *e = *state;
    bucket_create(e, "b");
    bucket_create(e, "c");
    foreign_write(e, "b/.lobos/bucket", "this is not what was written here");
    assert_int_equal(bucket_op(e, fs_bucket_head, "b"), LB_ERR_CORRUPT);
    struct lb_engine_op op = fs_op(e, NULL, NULL);
    check_names(e, &op, "b c", false);
    assert_int_equal(bucket_op(e, fs_bucket_set, "b"), 0);
    assert_int_equal(bucket_op(e, fs_bucket_head, "b"), 0);
}

static void test_known(void **state) {
    struct fs_env *e = *state;
    assert_false(fs_bucket_known(e->port, LB_S("b")));
    assert_false(fs_bucket_known(e->port, LB_S("..")));
    bucket_create(e, "b");
    assert_true(fs_bucket_known(e->port, LB_S("b")));
    assert_int_equal(bucket_op(e, fs_bucket_delete, "b"), 0);
    assert_false(fs_bucket_known(e->port, LB_S("b")));
    foreign_mkdir(e, "b");
    for (int i = 0; i < 300 && !fs_bucket_known(e->port, LB_S("b")); i++)
        lb_io_turn(e->io, 10000000);
    assert_true(fs_bucket_known(e->port, LB_S("b")));
}

static int set_if(struct fs_env *e, const char *was, const char *settings) {
    struct lb_engine_op op = fs_op(e, "b", NULL);
    op.if_same = true;
    op.was = lb_slice_cstr(was);
    op.settings = lb_slice_cstr(settings);
    return fs_run(e, fs_bucket_set, &op);
}

static void test_set_if_same(void **state) {
    struct fs_env *e = *state;
    bucket_create(e, "b");
    assert_int_equal(set_if(e, "one", "two"), LB_ERR_PRECONDITION_FAILED);
    assert_int_equal(set_if(e, "", "one"), 0);
    assert_int_equal(set_if(e, "", "two"), LB_ERR_PRECONDITION_FAILED);
    assert_int_equal(set_if(e, "one", "two"), 0);
    struct lb_engine_op op = fs_op(e, "b", NULL);
    assert_int_equal(fs_run(e, fs_bucket_head, &op), 0);
    CHECK_SLICE(op.buckets[0].settings, "two");
    foreign_write(e, "b/.lobos/bucket", "damaged");
    assert_int_equal(set_if(e, "", "three"), LB_ERR_CORRUPT);
    assert_int_equal(bucket_op(e, fs_bucket_set, "b"), 0);
    assert_int_equal(set_if(e, "", "three"), 0);
}

/* What was begun in a bucket does not come into another of its name. */
static void test_made_anew(void **state) {
    struct fs_env *e = *state;
    for (int begun = 0; begun < 2; begun++) {
        for (int remade = 0; remade < 2; remade++) {
            bucket_create(e, "b");
            struct lb_engine_op op = fs_op(e, "b", "key"), other = fs_op(e, "b", NULL);
            assert_int_equal(fs_run(e, fs_create, &op), 0);
            struct lb_writer *w = op.writer;
            struct lb_pool_buf *buf = lb_pool_get(e->pool, 4096);
            assert_non_null(buf);
            buf->len = 10;
            memset(buf->ptr, 'x', buf->len);
            if (begun) {
                fs_write(w, &op, buf);
                assert_int_equal(fs_wait(e), 0);
            }
            lb_pool_put(buf);
            assert_int_equal(fs_run(e, fs_bucket_delete, &other), 0);
            if (remade)
                bucket_create(e, "b");
            op.etag = (struct lb_etag){.text = "e", .len = 1};
            fs_commit(w, &op);
            assert_int_equal(fs_wait(e), LB_ERR_NO_SUCH_BUCKET);
            if (remade) {
                assert_int_equal(fs_run(e, fs_list, &other), 0);
                assert_int_equal(other.list.n, 0);
                assert_int_equal(object_put(e, "b", LB_S("own"), "x", LB_S("")), 0);
                other.key = LB_S("own");
                assert_int_equal(fs_run(e, fs_remove, &other), 0);
                assert_int_equal(fs_run(e, fs_bucket_delete, &other), 0);
            }
        }
    }
}

/* Making other buckets, more than are remembered, harms no upload whose temporary is there. */
static void test_many_made(void **state) {
    struct fs_env *e = *state;
    struct fs_engine *fs = fs_env_fs(e);
    bucket_create(e, "b");
    unsigned before = atomic_load(&fs->bucket_epoch);
    assert_true(fs_bucket_same(fs, LB_S("b"), before));
    bucket_create(e, "c");
    assert_true(fs_bucket_same(fs, LB_S("b"), before));
    assert_false(fs_bucket_same(fs, LB_S("c"), before));
    struct lb_engine_op op = fs_op(e, "b", "key"), other = fs_op(e, "d", NULL);
    assert_int_equal(fs_run(e, fs_create, &op), 0);
    struct lb_writer *w = op.writer;
    struct lb_pool_buf *buf = lb_pool_get(e->pool, 4096);
    buf->len = 1;
    fs_write(w, &op, buf);
    assert_int_equal(fs_wait(e), 0);
    lb_pool_put(buf);
    for (int i = 0; i < FS_MADE; i++) {
        assert_int_equal(fs_run(e, fs_bucket_create, &other), 0);
        assert_int_equal(fs_run(e, fs_bucket_delete, &other), 0);
    }
    assert_false(fs_bucket_same(fs, LB_S("b"), before)); /* it can't be told any more */
    op.etag = (struct lb_etag){.text = "e", .len = 1};
    fs_commit(w, &op);
    assert_int_equal(fs_wait(e), 0);
}

static void test_single_bucket(void **state) {
    struct fs_env *e = fs_env_new("photos");
    assert_true(fs_bucket_known(e->port, LB_S("photos")));
    assert_false(fs_bucket_known(e->port, LB_S("photo")));
    foreign_write(e, "dir/file", "x");
    assert_int_equal(object_put(e, "photos", LB_S("own/"), "x", lb_slice(NULL, 0)), 0);
    struct lb_engine_op op = fs_op(e, "photos", NULL);
    assert_int_equal(fs_run(e, fs_list, &op), 0);
    assert_int_equal(op.list.n, 2);
    CHECK_SLICE(op.list.entries[0].key, "dir/file");
    CHECK_SLICE(op.list.entries[1].key, "own/");
    assert_int_equal(bucket_op(e, fs_bucket_head, "photos"), 0);
    assert_int_equal(bucket_op(e, fs_bucket_head, "dir"), LB_ERR_NO_SUCH_BUCKET);
    assert_int_equal(bucket_op(e, fs_bucket_create, "photos"), LB_ERR_BUCKET_EXISTS);
    assert_int_equal(bucket_op(e, fs_bucket_create, "dir"), LB_ERR_INVALID_BUCKET_NAME);
    assert_int_equal(bucket_op(e, fs_bucket_delete, "photos"), LB_ERR_METHOD_NOT_ALLOWED);
    assert_int_equal(bucket_op(e, fs_bucket_set, "photos"), 0);
    op = fs_op(e, NULL, NULL);
    check_names(e, &op, "photos", false);
    fs_env_free(e);
}

static void test_only_one_server(void **state) {
    struct fs_env *e = *state;
    struct lb_engine *second = NULL;
    struct lb_fs_conf conf = {.dir = e->dir};
    assert_int_equal(lb_fs_open(&conf, lb_vfs_posix(), &second), -EWOULDBLOCK);
    assert_null(second);
    fs_env_close(e);
    assert_int_equal(lb_fs_open(&conf, lb_vfs_posix(), &second), 0);
    second->ops->free(second);
    conf.dir = "/proc/self/none/such";
    assert_int_equal(lb_fs_open(&conf, lb_vfs_posix(), &second), -ENOENT);
    conf.dir = "/dev/null";
    assert_int_equal(lb_fs_open(&conf, lb_vfs_posix(), &second), -ENOTDIR);
    fs_env_open(e, NULL);
}

int main(void) {
#define T(test) cmocka_unit_test_setup_teardown(test, fs_setup, fs_teardown)
    const struct CMUnitTest tests[] = {
        T(test_create_and_head),
        T(test_create_refuses),
        T(test_delete),
        T(test_delete_spares_what_is_not_listed),
        T(test_tree_remove_follows_no_symlink),
        T(test_list),
        T(test_list_closed),
        T(test_damaged_settings),
        T(test_known),
        T(test_set_if_same),
        T(test_made_anew),
        T(test_many_made),
        cmocka_unit_test(test_single_bucket),
        T(test_only_one_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

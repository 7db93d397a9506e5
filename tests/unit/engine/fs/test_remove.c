/* Removing objects, replacing their meta, and the sweep at start. */
#include "write_env.h"

static void removes_and_prunes(void **state) {
    struct env *e = *state;
    assert_int_equal(put(e, LB_S("a/b/c/one"), "1"), 0);
    assert_int_equal(put(e, LB_S("a/two"), "2"), 0);
    assert_int_equal(remove_key(e, LB_S("a/b/c/one")), 0);
    check_missing(e, LB_S("a/b/c/one"));
    assert_false(exists(e, "box/a/b"));
    assert_true(exists(e, "box/a/two"));
    assert_int_equal(remove_key(e, LB_S("a/two")), 0);
    assert_false(exists(e, "box/a"));
    assert_true(exists(e, "box"));
    assert_int_equal(remove_key(e, LB_S("a/two")), 0);
    assert_int_equal(remove_key(e, LB_S("never/there")), 0);
}

static void is_no_object(void **state) {
    struct env *e = *state;
    make_dir(e, "box/folder");
    char path[512];
    snprintf(path, sizeof(path), "%s/box/pipe", e->dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(remove_key(e, LB_S("folder")), 0);
    assert_int_equal(remove_key(e, LB_S("pipe")), 0);
    assert_true(exists(e, "box/folder"));
    assert_true(exists(e, "box/pipe"));
    struct call c = call_for(e, LB_S("key"));
    c.op.bucket = LB_S("nobody");
    e->port->ops->remove(e->port, &c.op);
    assert_int_equal(finish(e, &c), LB_ERR_NO_SUCH_BUCKET);
}

static int remove_if(struct env *e, struct lb_slice key, struct lb_precond pre) {
    struct call c = call_for(e, key);
    c.op.precond = pre;
    e->port->ops->remove(e->port, &c.op);
    return finish(e, &c);
}

static void conditions(void **state) {
    struct env *e = *state;
    struct lb_slice key = LB_S("key");
    assert_int_equal(put(e, key, "text"), 0);
    struct call c = call_for(e, key);
    e->port->ops->head(e->port, &c.op);
    assert_int_equal(finish(e, &c), 0);
    assert_int_equal(remove_if(e, key, (struct lb_precond){.if_match = LB_S("other")}),
                     LB_ERR_PRECONDITION_FAILED);
    assert_int_equal(remove_if(e, key, (struct lb_precond){.has_size = true, .if_size = 5}),
                     LB_ERR_PRECONDITION_FAILED);
    check_text(e, key, "text");
    struct lb_precond pre = {.if_match = lb_etag_slice(&c.op.info.etag),
                             .has_size = true,
                             .if_size = 4,
                             .has_mtime = true,
                             .if_mtime_s = c.op.info.mtime_ns / 1000000000};
    assert_int_equal(remove_if(e, key, pre), 0);
    check_missing(e, key);
    assert_int_equal(remove_if(e, key, (struct lb_precond){.if_match = LB_S("*")}),
                     LB_ERR_NO_SUCH_KEY);
}

/* An object torn by a power loss is not served, but can be removed or replaced. */
static void torn_objects(void **state) {
    struct env *e = *state;
    char path[512];
    struct stat st;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(put(e, LB_S("torn"), "whole text"), 0);
        snprintf(path, sizeof(path), "%s/box/torn", e->dir);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(truncate(path, 3), 0);
        struct timespec times[2] = {st.st_atim, st.st_mtim};
        assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
        struct call c = call_for(e, LB_S("torn"));
        e->port->ops->head(e->port, &c.op);
        assert_int_equal(finish(e, &c), LB_ERR_CORRUPT);
        if (i) {
            assert_int_equal(remove_key(e, LB_S("torn")), 0);
            check_missing(e, LB_S("torn"));
        }
    }
}

static int set_meta(struct env *e, struct call *c, struct lb_slice meta) {
    c->op.meta = meta;
    e->port->ops->set_meta(e->port, &c->op);
    return finish(e, c);
}

static void check_meta(struct env *e, struct lb_slice key, struct lb_slice meta) {
    struct call c = call_for(e, key);
    e->port->ops->head(e->port, &c.op);
    assert_int_equal(finish(e, &c), 0);
    assert_true(lb_slice_eq(c.op.info.meta, meta));
}

static void meta_replaced(void **state) {
    struct env *e = *state;
    static char big[200000];
    struct lb_slice keys[] = {LB_S("plain"), LB_S("hidden/"), LB_S("foreign")};
    fill(big, sizeof(big), 9);
    assert_int_equal(put(e, keys[0], "text"), 0);
    assert_int_equal(put(e, keys[1], "text"), 0);
    make_file(e, "box/foreign", "text");
    for (size_t i = 0; i < CHECK_COUNT(keys); i++) {
        struct call before = call_for(e, keys[i]);
        e->port->ops->head(e->port, &before.op);
        assert_int_equal(finish(e, &before), 0);
        struct lb_slice metas[] = {LB_S("new"), lb_slice(big, sizeof(big)), LB_S(""), LB_S("z")};
        for (size_t m = 0; m < CHECK_COUNT(metas); m++) {
            struct call c = call_for(e, keys[i]);
            assert_int_equal(set_meta(e, &c, metas[m]), 0);
            check_meta(e, keys[i], metas[m]);
            assert_int_equal(c.op.info.mtime_ns, before.op.info.mtime_ns);
            assert_true(
                lb_slice_eq(lb_etag_slice(&c.op.info.etag), lb_etag_slice(&before.op.info.etag)));
            check_text(e, keys[i], "text");
        }
        struct call c = call_for(e, keys[i]);
        c.op.precond.if_match = LB_S("other");
        assert_int_equal(set_meta(e, &c, LB_S("no")), LB_ERR_PRECONDITION_FAILED);
        check_meta(e, keys[i], LB_S("z"));
    }
    assert_int_equal(entries_in(e, "box/.lobos/attrs"), 0);
    struct call c = call_for(e, LB_S("none"));
    assert_int_equal(set_meta(e, &c, LB_S("no")), LB_ERR_NO_SUCH_KEY);
}

static void sweeps_at_start(void **state) {
    struct env *e = *state;
    static char big[100000];
    fill(big, sizeof(big), 4);
    assert_int_equal(put(e, LB_S("kept"), "kept"), 0);
    struct call c = call_for(e, LB_S("with/sidecar"));
    c.op.meta = lb_slice(big, sizeof(big));
    assert_int_equal(put_call(e, &c, "x", 1, 4096), 0);
    c = call_for(e, LB_S("upload"));
    c.op.meta = LB_S("m");
    e->port->ops->upload_create(e->port, &c.op);
    assert_int_equal(finish(e, &c), 0);
    engine_close(e);
    make_file(e, "box/.lobos/tmp/0123", "left by a crash");
    make_dir(e, "box/.lobos/tmp/dir");
    make_file(e, "box/.lobos/tmp/dir/00001", "part");
    make_file(e, "box/.lobos/attrs/abcdef0123", "of a file that is gone");
    if (!exists(e, ".lobos/trash"))
        make_dir(e, ".lobos/trash");
    make_dir(e, ".lobos/trash/old");
    make_file(e, ".lobos/trash/old/x", "half removed");
    engine_open(e, 3600);
    assert_int_equal(entries_in(e, "box/.lobos/tmp"), 0);
    assert_int_equal(entries_in(e, "box/.lobos/attrs"), 1);
    assert_int_equal(entries_in(e, ".lobos/trash"), 0);
    assert_int_equal(entries_in(e, "box/.lobos/uploads"), 1);
    check_text(e, LB_S("kept"), "kept");
    check_meta(e, LB_S("with/sidecar"), lb_slice(big, sizeof(big)));
    engine_close(e);

    char path[512];
    struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    snprintf(path, sizeof(path), "%s/box/.lobos/uploads/%.*s", e->dir,
             LB_SLICE_ARG(c.op.uploads[0].id));
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    engine_open(e, 0);
    assert_int_equal(entries_in(e, "box/.lobos/uploads"), 1);
    engine_close(e);
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    engine_open(e, 3600);
    assert_int_equal(entries_in(e, "box/.lobos/uploads"), 0);
    check_tmp_empty(e);
}

int main(void) {
    static const struct named_test tests[] = {
        TEST(removes_and_prunes), TEST(is_no_object),  TEST(conditions),
        TEST(torn_objects),       TEST(meta_replaced), TEST(sweeps_at_start),
    };
    return run_on_both(tests, CHECK_COUNT(tests));
}

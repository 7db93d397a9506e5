/* The writer: contents, sizes, pieces in flight, attributes, abort, append, a full disk. */
#include "write_env.h"

#include <sys/mount.h>

static void contents_of_many_sizes(void **state) {
    static const size_t sizes[] = {0,    1,      511,        4095,     4096,    4097,
                                   9999, 262144, 262144 + 1, 1u << 20, 3 << 20, (3 << 20) + 77};
    struct env *e = *state;
    char *data = malloc(4 << 20), *back = malloc(4 << 20);
    for (size_t i = 0; i < CHECK_COUNT(sizes) * 4; i++) {
        size_t size = sizes[i / 4];
        struct call c = call_for(e, LB_S("dir/object"));
        fill(data, size, (unsigned)i);
        c.op.relaxed = i % 2;
        c.op.size_hint = i % 4 < 2 ? size : LB_SIZE_UNKNOWN;
        c.op.meta = LB_S("some meta");
        c.op.etag = etag_of("00112233445566778899aabbccddeeff");
        assert_int_equal(put_call(e, &c, data, size, i % 4 == 3 ? 8192 : 262144), 0);
        assert_int_equal(c.op.info.size, size);
        struct call g = call_for(e, LB_S("dir/object"));
        assert_int_equal(get(e, &g, back, 4 << 20), size);
        assert_memory_equal(back, data, size);
        CHECK_SLICE(g.op.info.meta, "some meta");
        CHECK_SLICE(lb_etag_slice(&g.op.info.etag), "00112233445566778899aabbccddeeff");
        assert_int_equal(g.op.info.mtime_ns, c.op.info.mtime_ns);
    }
    check_tmp_empty(e);
    free(data);
    free(back);
}

/* Durable writes on a filesystem whose journal is relied on go another way (O_DIRECT). */
static void contents_on_a_journal(void **state) {
    struct env *e = *state;
    env_fs(e)->journaled = true;
    contents_of_many_sizes(state);
}

static void abort_leaves_nothing(void **state) {
    struct env *e = *state;
    char data[10000];
    fill(data, sizeof(data), 1);
    for (int i = 0; i < 2; i++) {
        struct call c = call_for(e, LB_S("gone"));
        e->port->ops->create(e->port, &c.op);
        assert_int_equal(finish(e, &c), 0);
        struct lb_writer *w = c.op.writer;
        if (i)
            assert_int_equal(write_data(e, w, data, sizeof(data), 4096), 0);
        e->port->ops->abort(w);
    }
    check_tmp_empty(e);
    check_missing(e, LB_S("gone"));
}

static void create_says_what_is_wrong(void **state) {
    struct env *e = *state;
    char long_key[LB_KEY_MAX + 1];
    memset(long_key, 'k', sizeof(long_key));
    struct call c = call_for(e, lb_slice(long_key, sizeof(long_key)));
    e->port->ops->create(e->port, &c.op);
    assert_int_equal(finish(e, &c), LB_ERR_KEY_TOO_LONG);
    static const char *const names[] = {"nobody", "..", ".lobos", "a/b", ""};
    for (size_t i = 0; i < CHECK_COUNT(names); i++) {
        c = call_for(e, LB_S("key"));
        c.op.bucket = lb_slice_cstr(names[i]);
        e->port->ops->create(e->port, &c.op);
        assert_int_equal(finish(e, &c), LB_ERR_NO_SUCH_BUCKET);
        assert_null(c.op.writer);
    }
    /* The longest key there may be. */
    assert_int_equal(put(e, lb_slice(long_key, LB_KEY_MAX), "long"), 0);
    check_text(e, lb_slice(long_key, LB_KEY_MAX), "long");
}

static void bucket_removed_meanwhile(void **state) {
    struct env *e = *state;
    char path[512];
    struct call c = call_for(e, LB_S("a/b/c"));
    e->port->ops->create(e->port, &c.op);
    assert_int_equal(finish(e, &c), 0);
    struct lb_writer *w = c.op.writer;
    assert_int_equal(write_data(e, w, "hello", 5, 4096), 0);
    snprintf(path, sizeof(path), "%s/box", e->dir);
    assert_int_equal(nftw(path, rm_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
    e->port->ops->commit(w, &c.op);
    assert_int_equal(finish(e, &c), LB_ERR_NO_SUCH_BUCKET);
    assert_false(exists(e, "box"));
}

static void append_copies_ranges(void **state) {
    struct env *e = *state;
    size_t size = 300000;
    char *data = malloc(size), *back = malloc(2 * size);
    fill(data, size, 7);
    struct call c = call_for(e, LB_S("source"));
    assert_int_equal(put_call(e, &c, data, size, 65536), 0);
    for (int journaled = 0; journaled < 2; journaled++) {
        env_fs(e)->journaled = journaled;
        struct call src = call_for(e, LB_S("source"));
        e->port->ops->open(e->port, &src.op);
        assert_int_equal(finish(e, &src), 0);
        struct call dst = call_for(e, LB_S("copy"));
        e->port->ops->create(e->port, &dst.op);
        assert_int_equal(finish(e, &dst), 0);
        struct lb_writer *w = dst.op.writer;
        assert_int_equal(write_data(e, w, data, 8192, 4096), 0);
        struct call a = call_for(e, LB_S(""));
        e->port->ops->append(w, &a.op, src.op.reader, 1001, size - 1001);
        assert_int_equal(finish(e, &a), 0);
        e->port->ops->append(w, &a.op, src.op.reader, 0, 5);
        assert_int_equal(finish(e, &a), 0);
        e->port->ops->reader_close(src.op.reader);
        assert_int_equal(w->size, 8192 + size - 1001 + 5);
        e->port->ops->commit(w, &dst.op);
        assert_int_equal(finish(e, &dst), 0);
        struct call g = call_for(e, LB_S("copy"));
        assert_int_equal(get(e, &g, back, 2 * size), 8192 + size - 1001 + 5);
        assert_memory_equal(back, data, 8192);
        assert_memory_equal(back + 8192, data + 1001, size - 1001);
        assert_memory_equal(back + 8192 + size - 1001, data, 5);
    }
    free(data);
    free(back);
}

/* Meta too large for any xattr goes to a sidecar, which goes with its file. */
static void large_meta(void **state) {
    struct env *e = *state;
    size_t size = 100000;
    char *meta = malloc(size);
    fill(meta, size, 3);
    for (int i = 0; i < 3; i++) {
        struct call c = call_for(e, LB_S("big"));
        c.op.meta = lb_slice(meta, size);
        assert_int_equal(put_call(e, &c, "x", 1, 4096), 0);
        assert_int_equal(entries_in(e, "box/.lobos/attrs"), 1);
        struct call g = call_for(e, LB_S("big"));
        char buf[8];
        assert_int_equal(get(e, &g, buf, sizeof(buf)), 1);
        assert_true(lb_slice_eq(g.op.info.meta, lb_slice(meta, size)));
    }
    struct call c = call_for(e, LB_S("big"));
    c.op.meta = lb_slice(meta, size);
    c.op.precond.if_none_match = LB_S("*");
    assert_int_equal(put_call(e, &c, "y", 1, 4096), LB_ERR_PRECONDITION_FAILED);
    assert_int_equal(entries_in(e, "box/.lobos/attrs"), 1);
    assert_int_equal(put(e, LB_S("big"), "small meta"), 0);
    assert_int_equal(entries_in(e, "box/.lobos/attrs"), 0);
    check_tmp_empty(e);
    free(meta);
}

/* A full disk: STORAGE_FULL, what is stored stays whole, and room made is room again. */
static void full_disk(void **state) {
    struct env *e = *state;
    char path[512];
    size_t size = 2u << 20;
    char *data = malloc(size), *back = malloc(size);
    snprintf(path, sizeof(path), "%s/box", e->dir);
    engine_close(e);
    if (geteuid() != 0 || mount("none", path, "tmpfs", 0, "size=3m") < 0) {
        free(data);
        free(back);
        engine_open(e, 0);
        return;
    }
    engine_open(e, 0);
    fill(data, size, 5);
    struct call c = call_for(e, LB_S("first"));
    assert_int_equal(put_call(e, &c, data, size, 262144), 0);
    for (int i = 0; i < 3; i++) {
        c = call_for(e, i < 2 ? LB_S("second") : LB_S("first"));
        c.op.size_hint = i ? LB_SIZE_UNKNOWN : size;
        assert_int_equal(put_call(e, &c, data, size, 262144), LB_ERR_STORAGE_FULL);
        check_tmp_empty(e);
    }
    check_missing(e, LB_S("second"));
    struct call g = call_for(e, LB_S("first"));
    assert_int_equal(get(e, &g, back, size), size);
    assert_memory_equal(back, data, size);
    assert_int_equal(remove_key(e, LB_S("first")), 0);
    /* The reader's cache may hold the removed file for a moment. */
    engine_close(e);
    engine_open(e, 0);
    c = call_for(e, LB_S("second"));
    assert_int_equal(put_call(e, &c, data, size, 262144), 0);
    engine_close(e);
    assert_int_equal(umount(path), 0);
    engine_open(e, 0);
    free(data);
    free(back);
}

int main(void) {
    static const struct named_test tests[] = {
        TEST(contents_of_many_sizes),
        TEST(contents_on_a_journal),
        TEST(abort_leaves_nothing),
        TEST(create_says_what_is_wrong),
        TEST(bucket_removed_meanwhile),
        TEST(append_copies_ranges),
        TEST(large_meta),
        TEST(full_disk),
    };
    return run_on_both(tests, CHECK_COUNT(tests));
}

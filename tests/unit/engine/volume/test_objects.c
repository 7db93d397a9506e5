#include "volume_env.h"

#define LARGE (3u * 1024 * 1024 + 12345)

static char large[LARGE];

/* Sizes around what is small, a unit, a checksum and a read. */
static void test_sizes(void **state) {
    struct env *e = *state;
    static const size_t sizes[] = {0,     1,     3071,  3072,   3073,   4095,   4096, 4097,
                                   65535, 65536, 65537, 131072, 524288, 524289, LARGE};
    fill(large, LARGE, 1);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_int_equal(put(e, LB_S("key"), large, sizes[i]), 0);
        check_bytes(e, LB_S("key"), large, sizes[i]);
        struct call c = put_for(e, LB_S("unknown"));
        assert_int_equal(put_call(e, &c, large, sizes[i], 65536), 0);
        assert_int_equal(c.op.info.size, sizes[i]);
        check_bytes(e, LB_S("unknown"), large, sizes[i]);
    }
    struct call c = call_for(e, LB_S("key"));
    assert_int_equal(run(e, vol_head, &c), 0);
    assert_int_equal(c.op.info.size, LARGE);
    assert_true(lb_slice_eq(c.op.info.meta, LB_S("meta")));
    assert_true(lb_slice_eq(lb_etag_slice(&c.op.info.etag), LB_S(ETAG)));
    assert_true(lb_slice_eq(lb_version_slice(&c.op.info.version), LB_S("null")));
}

static void test_ranges(void **state) {
    struct env *e = *state;
    static char buf[LARGE];
    fill(large, LARGE, 2);
    assert_int_equal(put(e, LB_S("key"), large, LARGE), 0);
    struct call c = call_for(e, LB_S("key"));
    assert_int_equal(run(e, vol_open, &c), 0);
    static const struct {
        uint64_t off, len;
    } ranges[] = {{0, 1},
                  {1, 1},
                  {65535, 2},
                  {65536, 65536},
                  {4097, 600000},
                  {LARGE - 1, 1},
                  {LARGE - 70000, 70000},
                  {3, LARGE - 3}};
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        assert_int_equal(read_range(e, c.op.reader, buf, ranges[i].off, ranges[i].len), 0);
        assert_memory_equal(buf, large + ranges[i].off, ranges[i].len);
    }
    vol_reader_close(c.op.reader);
    vol_reader_close(NULL);
}

/* What is gone leaves no units behind; what is read stays until the reader closes. */
static void test_space(void **state) {
    struct env *e = *state;
    static char buf[LARGE];
    fill(large, LARGE, 3);
    uint64_t before = units_left(e);
    assert_int_equal(put(e, LB_S("key"), large, LARGE), 0);
    assert_int_equal(units_left(e), before - vol_units_of(LARGE));
    struct call c = call_for(e, LB_S("key"));
    assert_int_equal(run(e, vol_open, &c), 0);
    assert_int_equal(put_text(e, "key", "small now"), 0);
    assert_int_equal(units_left(e), before - vol_units_of(LARGE));
    assert_int_equal(read_range(e, c.op.reader, buf, 0, LARGE), 0);
    assert_memory_equal(buf, large, LARGE);
    vol_reader_close(c.op.reader);
    assert_int_equal(units_left(e), before);
    check_text(e, "key", "small now");
    assert_int_equal(remove_key(e, LB_S("key")), 0);
    assert_int_equal(remove_key(e, LB_S("key")), 0);
    check_missing(e, LB_S("key"));
    /* A writer that is given up, and one whose condition does not hold. */
    c = put_for(e, LB_S("key"));
    c.op.size_hint = LARGE;
    assert_int_equal(run(e, vol_create, &c), 0);
    assert_int_equal(write_data(e, c.op.writer, large, 65536, 65536), 0);
    vol_abort(c.op.writer);
    assert_int_equal(units_left(e), before);
    c = put_for(e, LB_S("key"));
    c.op.precond.if_match = LB_S("*");
    assert_int_equal(put_call(e, &c, large, 70000, 65536), LB_ERR_NO_SUCH_KEY);
    assert_int_equal(units_left(e), before);
}

/* A full volume takes nothing more, serves what it has, and lets go of it. */
static void test_full(void **state) {
    struct env *e = *state;
    size_t size = 8u << 20;
    char *data = malloc(size), key[16];
    int n = 0, err = 0;
    fill(data, size, 4);
    for (; !err; n++) {
        snprintf(key, sizeof(key), "key%d", n);
        err = put(e, lb_slice_cstr(key), data, size);
    }
    assert_int_equal(err, LB_ERR_STORAGE_FULL);
    assert_true(n > 4);
    check_bytes(e, LB_S("key0"), data, size);
    struct call c = put_for(e, LB_S("unknown"));
    assert_int_equal(put_call(e, &c, data, size, 65536), LB_ERR_STORAGE_FULL);
    assert_int_equal(remove_key(e, LB_S("key1")), 0);
    assert_int_equal(put(e, LB_S("again"), data, size), 0);
    check_bytes(e, LB_S("again"), data, size);
    check_bytes(e, LB_S("key0"), data, size);
    free(data);
}

/* A byte that changed on the volume is never served. */
static void test_damage(void **state) {
    struct env *e = *state;
    static char buf[LARGE], unit[VOL_UNIT];
    fill(large, LARGE, 5);
    assert_int_equal(put(e, LB_S("key"), large, LARGE), 0);
    struct vol_engine *v = env_volume(e);
    struct vol_object o;
    uint32_t bucket = vol_bucket_find(v, BUCKET)->number;
    assert_int_equal(vol_index_current(v->index, bucket, LB_S("key"), &o), 0);
    uint64_t at = o.extents[0].first + 16; /* the second 64 KiB */
    void *whole = NULL;
    assert_int_equal(posix_memalign(&whole, VOL_UNIT, VOL_UNIT), 0);
    assert_int_equal(v->device->ops->read_now(v->device, at, whole, VOL_UNIT), 0);
    memcpy(unit, whole, VOL_UNIT);
    unit[77] ^= 1;
    memcpy(whole, unit, VOL_UNIT);
    assert_int_equal(v->device->ops->write_now(v->device, at, whole, VOL_UNIT), 0);
    free(whole);
    struct call c = call_for(e, LB_S("key"));
    assert_int_equal(run(e, vol_open, &c), 0);
    assert_int_equal(read_range(e, c.op.reader, buf, 0, 1000), 0);
    assert_int_equal(read_range(e, c.op.reader, buf, 65536, 1), LB_ERR_CORRUPT);
    vol_reader_close(c.op.reader);
    assert_int_equal(v->damaged, 1);
    c = call_for(e, LB_S("key"));
    assert_int_equal(run(e, vol_open, &c), LB_ERR_CORRUPT);
    assert_int_equal(run(e, vol_head, &c), 0);
    assert_int_equal(put_text(e, "key", "new"), 0);
    check_text(e, "key", "new");
}

static void test_errors(void **state) {
    struct env *e = *state;
    static char name[LB_KEY_MAX + 1];
    memset(name, 'k', sizeof(name));
    assert_int_equal(put(e, lb_slice(name, LB_KEY_MAX), "x", 1), 0);
    assert_int_equal(put(e, lb_slice(name, LB_KEY_MAX + 1), "x", 1), LB_ERR_KEY_TOO_LONG);
    struct call c = put_for(e, LB_S("key"));
    c.op.bucket = LB_S("other");
    assert_int_equal(put_call(e, &c, "x", 1, 65536), LB_ERR_NO_SUCH_BUCKET);
    assert_int_equal(run(e, vol_open, &c), LB_ERR_NO_SUCH_BUCKET);
    assert_int_equal(run(e, vol_head, &c), LB_ERR_NO_SUCH_BUCKET);
    assert_int_equal(run(e, vol_remove, &c), LB_ERR_NO_SUCH_BUCKET);
    c = call_for(e, LB_S("key"));
    assert_int_equal(run(e, vol_open, &c), LB_ERR_NO_SUCH_KEY);
    c.op.version = LB_S("0123456789abcdef");
    assert_int_equal(run(e, vol_open, &c), LB_ERR_NO_SUCH_VERSION);
}

/* The bucket that was there at create is not the one of that name at commit. */
static void test_other_bucket(void **state) {
    struct env *e = *state;
    struct call c = put_for(e, LB_S("key"));
    assert_int_equal(run(e, vol_create, &c), 0);
    struct lb_writer *w = c.op.writer;
    assert_int_equal(write_data(e, w, "text", 4, 4096), 0);
    struct call b = call_for(e, LB_S(""));
    assert_int_equal(run(e, vol_bucket_delete, &b), 0);
    assert_int_equal(run(e, vol_bucket_create, &b), 0);
    vol_commit(w, &c.op);
    assert_int_equal(finish(e, &c), LB_ERR_NO_SUCH_BUCKET);
}

static void test_buckets(void **state) {
    struct env *e = *state;
    struct call c = call_for(e, LB_S(""));
    assert_int_equal(run(e, vol_bucket_create, &c), LB_ERR_BUCKET_EXISTS);
    assert_int_equal(put_text(e, "key", "text"), 0);
    assert_int_equal(run(e, vol_bucket_delete, &c), LB_ERR_BUCKET_NOT_EMPTY);
    c.op.settings = LB_S("new");
    c.op.if_same = true;
    c.op.was = LB_S("old");
    assert_int_equal(run(e, vol_bucket_set, &c), LB_ERR_PRECONDITION_FAILED);
    c.op.was = LB_S("");
    assert_int_equal(run(e, vol_bucket_set, &c), 0);
    assert_int_equal(run(e, vol_bucket_head, &c), 0);
    assert_true(lb_slice_eq(c.op.buckets[0].settings, LB_S("new")));
    static const char *const names[] = {"zoo", "abc", "abd", "b"};
    for (int i = 0; i < 4; i++) {
        c = call_for(e, LB_S(""));
        c.op.bucket = lb_slice_cstr(names[i]);
        assert_false(vol_bucket_known(e->port, c.op.bucket));
        assert_int_equal(run(e, vol_bucket_create, &c), 0);
        assert_true(vol_bucket_known(e->port, c.op.bucket));
    }
    c.op.max = 2;
    assert_int_equal(run(e, vol_bucket_list, &c), 0);
    assert_true(c.op.n == 2 && c.op.truncated);
    assert_true(lb_slice_eq(c.op.buckets[1].name, LB_S("abd")));
    c.op.after = LB_S("abd");
    c.op.max = 10;
    assert_int_equal(run(e, vol_bucket_list, &c), 0);
    assert_true(c.op.n == 3 && !c.op.truncated);
    assert_true(lb_slice_eq(c.op.buckets[2].name, LB_S("zoo")));
    c.op.after = LB_S("");
    c.op.prefix = LB_S("ab");
    assert_int_equal(run(e, vol_bucket_list, &c), 0);
    assert_int_equal(c.op.n, 2);
    c.op.bucket = LB_S("none");
    assert_int_equal(run(e, vol_bucket_delete, &c), LB_ERR_NO_SUCH_BUCKET);
    assert_int_equal(run(e, vol_bucket_head, &c), LB_ERR_NO_SUCH_BUCKET);
}

/* Many at once: they share batches, one per key. */
static void test_group(void **state) {
    struct env *e = *state;
    enum { N = 300 };
    static struct call calls[N];
    static char keys[N][16];
    for (int i = 0; i < N; i++) {
        snprintf(keys[i], sizeof(keys[i]), "key%d", i / 2);
        calls[i] = put_for(e, lb_slice_cstr(keys[i]));
        assert_int_equal(run(e, vol_create, &calls[i]), 0);
        assert_int_equal(write_data(e, calls[i].op.writer, keys[i], 4 + (size_t)i % 2, 4096), 0);
        if (i % 2)
            calls[i].op.precond.if_match = LB_S("*");
        else
            calls[i].op.precond.if_none_match = LB_S("*");
    }
    uint64_t syncs = env_volume(e)->syncs;
    for (int i = 0; i < N; i++)
        vol_commit(calls[i].op.writer, &calls[i].op);
    for (int i = 0; i < N; i++)
        assert_int_equal(finish_late(e, &calls[i]), 0);
    assert_int_equal(env_volume(e)->syncs, syncs + 2);
}

/* A second life: what was there is there. */
static void test_again(void **state) {
    struct env *e = *state;
    fill(large, LARGE, 6);
    assert_int_equal(put(e, LB_S("large"), large, LARGE), 0);
    assert_int_equal(put_text(e, "small", "text"), 0);
    assert_int_equal(put_text(e, "gone", "text"), 0);
    assert_int_equal(remove_key(e, LB_S("gone")), 0);
    for (int i = 0; i < 2; i++) {
        engine_again(e);
        check_bytes(e, LB_S("large"), large, LARGE);
        check_text(e, "small", "text");
        check_missing(e, LB_S("gone"));
        assert_int_equal(put_text(e, "more", "text"), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_sizes),  TEST(test_ranges), TEST(test_space),        TEST(test_full),
        TEST(test_damage), TEST(test_errors), TEST(test_other_bucket), TEST(test_buckets),
        TEST(test_group),  TEST(test_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What the engine tells about itself. */
#include "unit/engine/fs/fs_env.h"

static struct lb_storage_stats stats_of(struct fs_env *e) {
    struct lb_storage_stats s;
    assert_int_equal(e->engine->ops->stats(e->engine, &s), 0);
    return s;
}

static void test_counts(void **state) {
    struct fs_env *e = *state;
    LB_CONTAINER_OF(e->engine, struct fs_engine, engine)->journaled = true;
    bucket_create(e, "box");
    struct lb_storage_stats before = stats_of(e);
    assert_int_equal(before.objects, LB_STORAGE_UNKNOWN);
    assert_int_equal(before.object_bytes, LB_STORAGE_UNKNOWN);
    assert_true(before.free_bytes > 0 && before.free_bytes <= before.size_bytes);
    assert_int_equal(before.queue, 0);
    assert_false(before.read_only);

    assert_int_equal(object_put(e, "box", LB_S("k"), "hello", LB_S("")), 0);
    assert_int_equal(object_put(e, "box", LB_S("empty"), "", LB_S("")), 0);
    struct lb_storage_stats after = stats_of(e);
    assert_int_equal(after.writes, before.writes + 1);
    assert_int_equal(after.write_bytes, before.write_bytes + 5);
    assert_int_equal(after.synced, before.synced); /* relaxed */
    LB_CONTAINER_OF(e->engine, struct fs_engine, engine)->journaled = false;
    assert_int_equal(object_put(e, "box", LB_S("k"), "hello", LB_S("")), 0);
    after = stats_of(e);
    assert_int_equal(after.synced, before.synced + 1); /* not without a journal */

    struct lb_engine_op op = fs_op(e, "box", "k");
    assert_int_equal(fs_run(e, fs_open, &op), 0);
    struct lb_reader *r = op.reader;
    for (int files = 0; files < 2; files++) {
        fs_read(r, &op, 1, 3, files);
        assert_int_equal(fs_wait(e), 0);
        lb_pool_put(op.piece.buf);
        op.piece.buf = NULL;
    }
    fs_reader_close(r);
    after = stats_of(e);
    assert_int_equal(after.reads, before.reads + 2);
    assert_int_equal(after.read_bytes, before.read_bytes + 6);
}

static void test_syncs(void **state) {
    struct fs_env *e = *state;
    bucket_create(e, "box");
    struct lb_storage_stats before = stats_of(e);
    for (int i = 0; i < 3; i++) {
        struct lb_engine_op op = fs_op(e, "box", "k");
        assert_int_equal(fs_run(e, fs_create, &op), 0);
        op.etag = (struct lb_etag){.text = "0123456789abcdef0123456789abcdef", .len = 32};
        fs_commit(op.writer, &op);
        assert_int_equal(fs_wait(e), 0);
    }
    struct lb_storage_stats after = stats_of(e);
    assert_int_equal(after.syncs, before.syncs + 3);
    assert_int_equal(after.synced, before.synced + 3);
    assert_int_equal(after.queue, 0);
}

/* All at once: fewer flushes than commits, or as many, and none forgotten. */
static void test_batch(void **state) {
    enum { N = 16 };
    struct fs_env *e = *state;
    struct lb_engine_op ops[N];
    bucket_create(e, "box");
    struct lb_storage_stats before = stats_of(e);
    for (int i = 0; i < N; i++) {
        char *key = lb_arena_alloc(&e->arena, 8);
        snprintf(key, 8, "k%d", i);
        ops[i] = fs_op(e, "box", key);
        assert_int_equal(fs_run(e, fs_create, &ops[i]), 0);
        ops[i].etag = (struct lb_etag){.text = "0123456789abcdef0123456789abcdef", .len = 32};
    }
    for (int i = 0; i < N; i++)
        fs_commit(ops[i].writer, &ops[i]);
    for (int i = 0; e->done < N && i < FS_PATIENCE_TURNS; i++)
        assert_int_equal(lb_io_turn(e->io, 100000000), 0);
    assert_int_equal(e->done, N);
    e->done = 0;
    struct lb_storage_stats after = stats_of(e);
    assert_int_equal(after.synced, before.synced + N);
    assert_in_range(after.syncs, before.syncs + 1, before.syncs + N);
    assert_int_equal(after.queue, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_counts, fs_setup, fs_teardown),
        cmocka_unit_test_setup_teardown(test_syncs, fs_setup, fs_teardown),
        cmocka_unit_test_setup_teardown(test_batch, fs_setup, fs_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

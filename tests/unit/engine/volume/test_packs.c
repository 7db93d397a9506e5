#include <errno.h>

#include "keeper_env.h"

/* Reads the record of a key from its pack. */
static void read_packed(struct env *env, const char *key, struct lb_arena *arena,
                        struct vol_record *ret) {
    struct vol_object o;
    struct vol_device *d = env->v->device;
    assert_int_equal(vol_index_current(env->v->index, ENV_BUCKET, lb_slice_cstr(key), &o), 0);
    assert_true(o.pack != 0 && !(o.flags & VOL_STAGED));
    const struct vol_pack *p = vol_pack_find(env->v, o.pack);
    assert_non_null(p);
    size_t len = p->extent.n * VOL_UNIT;
    char *bytes = aligned_alloc(VOL_UNIT, len);
    assert_int_equal(d->ops->read_now(d, o.pack, bytes, len), 0);
    struct lb_slice all, rest;
    assert_int_equal(lb_arena_copy(arena, lb_slice(bytes + o.pack_at, o.pack_len), &all), 0);
    free(bytes);
    rest = all;
    assert_int_equal(vol_pack_record(&rest, arena, ret), 0);
    assert_int_equal(rest.len, 0);
    assert_true(lb_slice_eq(ret->object.key, lb_slice_cstr(key)));
    assert_int_equal(ret->object.seq, o.seq);
}

static void test_records(void **state) {
    struct env *env = *state;
    struct lb_arena arena;
    struct vol_record r;
    lb_arena_init(&arena, 1u << 20);
    assert_int_equal(env_put(env, "small", 1000, LB_S("meta")), 0);
    assert_int_equal(env_put(env, "large", 10000, LB_S("")), 0);
    assert_int_equal(env_put(env, "empty", 0, LB_S("")), 0);
    assert_int_equal(vol_pack_down(env->v, 0), 0);
    assert_int_equal(env->v->staged.len, 0);
    assert_int_equal(env->v->staged_bytes, 0);
    assert_int_equal(env->v->packs.len, 1);
    read_packed(env, "small", &arena, &r);
    assert_true(lb_slice_eq(r.body, lb_slice(env->body, 1000)));
    CHECK_SLICE(r.object.meta, "meta");
    read_packed(env, "large", &arena, &r);
    assert_int_equal(r.body.len, 0);
    assert_int_equal(r.object.extents_n, 1);
    read_packed(env, "empty", &arena, &r);
    env_account(env->v);
    env_check_copy(env);
    lb_arena_fini(&arena);
}

/* Packs are full, and as few as there can be. */
static void test_full(void **state) {
    struct env *env = *state;
    char key[16];
    size_t n = 1000;
    for (size_t i = 0; i < n; i++) {
        snprintf(key, sizeof(key), "key %zu", i);
        assert_int_equal(env_put(env, key, 2000, LB_S("")), 0);
        if (env->v->staged_bytes > VOL_PACK_MAX)
            assert_true(vol_keep(env->v));
    }
    assert_int_equal(vol_pack_down(env->v, 0), 0);
    assert_true(env->v->packs.len >= 2 && env->v->packs.len <= 5);
    env_account(env->v);
    env_check_copy(env);
}

static int put_again(struct env *env, const char *key, struct lb_slice meta) {
    struct env_change e = {.again = true};
    struct vol_object o;
    struct vol_staged *s;
    assert_int_equal(vol_index_current(env->v->index, ENV_BUCKET, lb_slice_cstr(key), &o), 0);
    s = vol_staged_find(env->v, o.seq);
    assert_non_null(s);
    struct lb_slice rest = s->record;
    struct lb_arena arena;
    lb_arena_init(&arena, 1u << 20);
    char *copy = check_dup(rest);
    rest.ptr = copy;
    assert_int_equal(vol_record_decode(&rest, &arena, &e.record), 0);
    e.record.object.meta = meta;
    e.record.object.meta_len = (uint32_t)meta.len;
    int err = env_submit(env, &e);
    lb_arena_fini(&arena);
    free(copy);
    return err;
}

static void change_meanwhile(struct env_device *d) {
    struct env *env = d->ctx;
    d->on_flush = NULL;
    assert_int_equal(put_again(env, "changed", LB_S("newer meta")), 0);
    assert_int_equal(env_remove(env, "removed"), 0);
}

/* What is changed while its pack is written stays staged as it is now. */
static void test_changed_meanwhile(void **state) {
    struct env *env = *state;
    struct env_device device;
    struct vol_object o;
    for (int only = 0; only < 2; only++) {
        if (!only)
            assert_int_equal(env_put(env, "other", 20, LB_S("")), 0);
        assert_int_equal(env_put(env, "changed", 10, LB_S("meta")), 0);
        assert_int_equal(env_put(env, "removed", 10, LB_S("meta")), 0);
        env_wrap(env, &device);
        device.on_flush = change_meanwhile;
        device.ctx = env;
        assert_int_equal(vol_pack_oldest(env->v, env->v->staged.len), 0);
        env_unwrap(env, &device);
        assert_int_equal(env->v->staged.len, 1);
        assert_int_equal(env->v->packs.len, 1); /* nothing lives in the second one */
        assert_int_equal(vol_index_current(env->v->index, ENV_BUCKET, LB_S("changed"), &o), 0);
        CHECK_SLICE(o.meta, "newer meta");
        assert_int_equal(o.pack, 0);
        env_account(env->v);
        env_check_copy(env);
    }
    assert_int_equal(vol_pack_down(env->v, 0), 0);
    env_check_restart(env);
    assert_int_equal(vol_index_current(env->v->index, ENV_BUCKET, LB_S("changed"), &o), 0);
    CHECK_SLICE(o.meta, "newer meta");
}

/* A pack that is mostly dead is rewritten, and its units come back. */
static void test_compaction(void **state) {
    struct env *env = *state;
    char key[16];
    for (unsigned i = 0; i < 400; i++) {
        snprintf(key, sizeof(key), "key %03u", i);
        assert_int_equal(env_put(env, key, 2000, lb_slice(env->body, i)), 0);
    }
    assert_int_equal(vol_pack_down(env->v, 0), 0);
    assert_int_equal(vol_compact(env->v), 0);
    for (unsigned i = 0; i < 400; i++) {
        snprintf(key, sizeof(key), "key %03u", i);
        if (i % 4)
            assert_int_equal(env_remove(env, key), 0);
    }
    size_t before = env->v->packs.len;
    while (vol_compact(env->v) == 1)
        env_account(env->v);
    assert_true(env->v->packs.len < before);
    assert_int_equal(env->v->staged.len, 100);
    env_check_copy(env);
    assert_int_equal(vol_checkpoint(env->v, false), 0);
    assert_int_equal(env->v->packs.len, 1);
    env_account(env->v);
    env_check_copy(env);
    env_check_restart(env);
}

/* A pack with a wrong byte is left alone. */
static void test_unreadable(void **state) {
    struct env *env = *state;
    struct vol_device *d = env->v->device;
    char key[16];
    for (unsigned i = 0; i < 100; i++) {
        snprintf(key, sizeof(key), "key %03u", i);
        assert_int_equal(env_put(env, key, 2000, LB_S("")), 0);
    }
    assert_int_equal(vol_pack_down(env->v, 0), 0);
    for (unsigned i = 1; i < 100; i++) {
        snprintf(key, sizeof(key), "key %03u", i);
        assert_int_equal(env_remove(env, key), 0);
    }
    const struct vol_pack *p =
        LB_CONTAINER_OF(lb_map_first(&env->v->packs), struct vol_pack, by_unit);
    assert_int_equal(d->ops->write_now(d, p->extent.first + 1, env->body, VOL_UNIT), 0);
    assert_int_equal(vol_compact(env->v), -EBADMSG);
    assert_int_equal(vol_compact(env->v), 0);
    assert_int_equal(env->v->damaged, 1);
    env_account(env->v);
}

/* Without one long run of free units there are more and shorter packs. */
static void test_fragments(void **state) {
    struct env *env = *state;
    static struct vol_extent taken[8000];
    struct vol_alloc *a = env->v->alloc;
    char key[16];
    for (unsigned i = 0; i < 100; i++) {
        snprintf(key, sizeof(key), "key %03u", i);
        assert_int_equal(env_put(env, key, 1000, LB_S("")), 0);
    }
    size_t n = 0;
    while (n < CHECK_COUNT(taken) && vol_alloc_take(a, 2, 0, 0, &taken[n], 1) == 1)
        n++;
    for (size_t i = 0; i < n; i += 2)
        vol_alloc_give(a, taken[i]);
    assert_int_equal(vol_pack_down(env->v, 0), 0);
    assert_true(env->v->packs.len > 10);
    for (size_t i = 1; i < n; i += 2)
        vol_alloc_give(a, taken[i]);
    env_account(env->v);
    env_check_copy(env);
}

/* A failed write or flush loses nothing. */
static void test_failure(void **state) {
    struct env *env = *state;
    for (int at = 0; at < 3; at++) {
        struct env_device device;
        assert_int_equal(env_put(env, "key", 1000, LB_S("")), 0);
        env_wrap(env, &device);
        device.left = at;
        assert_true(vol_pack_down(env->v, 0) != 0);
        env_unwrap(env, &device);
        assert_true(env->v->journal.failed);
        env_check_copy(env);
        env_check_restart(env);
        assert_int_equal(env->v->staged.len, 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, env_set_up, env_tear_down)
        TEST(test_records),    TEST(test_full),       TEST(test_changed_meanwhile),
        TEST(test_compaction), TEST(test_unreadable), TEST(test_fragments),
        TEST(test_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <errno.h>
#include <stdatomic.h>

#include "keeper_env.h"

static void test_clean_stop(void **state) {
    struct env *env = *state;
    assert_int_equal(env_bucket(env, ENV_BUCKET, "first", "settings"), 0);
    assert_int_equal(env_bucket(env, 2, "second", ""), 0);
    env_change(env, 2000);
    env_account(env->v);
    env_check_restart(env);
    assert_int_equal(env->v->staged.len, 0);
    struct vol_bucket *b = vol_bucket_find(env->v, LB_S("first"));
    assert_non_null(b);
    assert_int_equal(b->number, ENV_BUCKET);
    assert_string_equal(b->settings, "settings");
    assert_int_equal(env->v->next_bucket, 3);
    env_change(env, 500);
    env_check_restart(env);
}

static void test_empty(void **state) {
    struct env *env = *state;
    env_check_restart(env);
    env_check_restart(env);
    assert_int_equal(env->v->checkpoint_n, 1);
}

/* A stop after which nothing was changed writes no new chain. */
static void test_nothing_new(void **state) {
    struct env *env = *state;
    env_change(env, 100);
    env_check_restart(env);
    uint64_t first = env->v->super.checkpoint.first;
    uint64_t generation = env->v->super.generation;
    env_check_restart(env);
    assert_int_equal(env->v->super.checkpoint.first, first);
    assert_true(env->v->super.generation > generation);
    assert_int_equal(env_put(env, "one more", 10, LB_S("")), 0);
    env_check_restart(env);
    assert_true(env->v->super.checkpoint.first != first);
}

/* What was changed after a checkpoint comes from the journal. */
static void test_changes_after(void **state) {
    struct env *env = *state;
    assert_int_equal(env_bucket(env, ENV_BUCKET, "first", ""), 0);
    for (unsigned i = 0; i < 5; i++) {
        env_change(env, 300);
        env_check_copy(env);
        assert_int_equal(vol_checkpoint(env->v, false), 0);
        env_account(env->v);
        env_check_copy(env);
    }
}

/* Keys long enough that the chain has several extents. */
static void test_chain(void **state) {
    struct env *env = *state;
    char key[1001];
    for (unsigned i = 0; i < 2500; i++) {
        snprintf(key, sizeof(key), "%01000u", i);
        assert_int_equal(env_put(env, key, 0, LB_S("")), 0);
        vol_keep(env->v);
    }
    assert_int_equal(vol_checkpoint(env->v, false), 0);
    assert_true(env->v->checkpoint_n > 2);
    env_check_copy(env);
    env_check_restart(env);
}

/* The journal is used over and over. */
static void test_ring(void **state) {
    struct env *env = *state;
    while (env->v->journal.at < 3 * env->v->super.journal_units) {
        env_change(env, 500);
        vol_keep(env->v);
    }
    assert_true(env->v->super.generation > 4);
    env_account(env->v);
    env_check_copy(env);
    env_check_restart(env);
}

struct changes {
    struct env *env;
    atomic_bool done;
};

static void *changes(void *arg) {
    struct changes *c = arg;
    env_change(c->env, 1500);
    atomic_store(&c->done, true);
    return NULL;
}

/* Changes go on while checkpoints are written. */
static void test_fuzzy(void **state) {
    struct changes c = {.env = *state};
    pthread_t thread;
    env_change(c.env, 600);
    assert_int_equal(pthread_create(&thread, NULL, changes, &c), 0);
    while (!atomic_load(&c.done))
        assert_int_equal(vol_checkpoint(c.env->v, false), 0);
    pthread_join(thread, NULL);
    env_check_copy(c.env);
    env_account(c.env->v);
}

/* The thread does all of it by itself; the journal is never full for ever. */
static void test_thread(void **state) {
    struct env *env = *state;
    assert_int_equal(vol_keeper_start(env->v), 0);
    env_change(env, 3000);
    env_check_restart(env);
}

/* Whatever write or flush fails, a start finds all that was there. */
static void test_failure(void **state) {
    struct env *env = *state;
    bool done = false;
    env_change(env, 500);
    for (int at = 0; !done; at++) {
        struct env_device device;
        env_change(env, 20);
        env_wrap(env, &device);
        device.left = at;
        int err = vol_checkpoint(env->v, false);
        done = err == 0;
        env_unwrap(env, &device);
        assert_true(done ? at > 5 : env->v->journal.failed && env->v->super.generation > 0);
        env_check_copy(env);
        if (!done) {
            assert_int_equal(env_put(env, "no", 1, LB_S("")), LB_ERR_READ_ONLY);
            env_check_restart(env); /* without a checkpoint */
        }
    }
}

/* Without room there is no checkpoint, and nothing is lost. */
static void test_no_room(void **state) {
    struct env *env = *state;
    struct vol_extent all[1024];
    env_change(env, 500);
    struct vol_alloc *a = env->v->alloc;
    int n = vol_alloc_take(a, vol_alloc_free_units(a), 0, 0, all, CHECK_COUNT(all));
    assert_true(n > 0);
    assert_int_equal(vol_checkpoint(env->v, false), -ENOSPC);
    assert_false(env->v->journal.failed);
    while (n)
        vol_alloc_give(a, all[--n]);
    env_account(env->v);
    assert_int_equal(vol_checkpoint(env->v, false), 0);
    env_check_copy(env);
}

/* Free units lie one by one: the chain is of many small extents. */
static void test_fragments(void **state) {
    struct env *env = *state;
    static struct vol_extent taken[30000];
    struct vol_alloc *a = env->v->alloc;
    env_change(env, 600);
    assert_int_equal(vol_pack_down(env->v, 0), 0);
    assert_int_equal(vol_keep_flush(env->v), 0); /* nothing comes back later */
    size_t n = 0;
    while (vol_alloc_take(a, 1, 0, 0, &taken[n], 1) == 1)
        n++;
    for (size_t i = 0; i < n; i += 2)
        vol_alloc_give(a, taken[i]);
    assert_int_equal(env_put(env, "one more", 100, LB_S("")), 0);
    assert_int_equal(vol_checkpoint(env->v, false), 0);
    assert_true(env->v->checkpoint_n > 5);
    for (size_t i = 1; i < n; i += 2)
        vol_alloc_give(a, taken[i]);
    env_account(env->v);
    env_check_copy(env);
}

/* What a flushed removal has freed may be written anew before any batch says that it was flushed:
 * the removed object's body fits no more, which is not the end of the journal. */
static void test_freed_and_written(void **state) {
    struct env *env = *state;
    struct vol_object o;
    assert_int_equal(env_put(env, "freed", 8000, LB_S("")), 0);
    assert_int_equal(vol_index_current(env->v->index, ENV_BUCKET, LB_S("freed"), &o), 0);
    uint64_t unit = o.extents[0].first;
    assert_int_equal(env_put(env, "kept", 8000, LB_S("")), 0);
    assert_int_equal(env_remove(env, "freed"), 0);
    assert_int_equal(vol_keep_flush(env->v), 0);
    env->v->device->ops->write_now(env->v->device, unit, env->body + VOL_UNIT, VOL_UNIT);
    env_check_copy(env);
    /* But what lives must fit: the end is before it, and the removal was not flushed. */
    assert_int_equal(vol_index_current(env->v->index, ENV_BUCKET, LB_S("kept"), &o), 0);
    env->v->device->ops->write_now(env->v->device, o.extents[0].first, env->body + VOL_UNIT,
                                   VOL_UNIT);
    env->v->device->ops->write_now(env->v->device, unit, env->body, VOL_UNIT);
    const char *path = env_copy(env);
    struct vol_engine *v = env_open_path(path);
    assert_int_equal(vol_index_current(v->index, ENV_BUCKET, LB_S("kept"), &o), -ENOENT);
    assert_int_equal(vol_index_current(v->index, ENV_BUCKET, LB_S("freed"), &o), 0);
    env_account(v);
    v->engine.ops->free(&v->engine);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, env_set_up, env_tear_down)
        TEST(test_clean_stop),  TEST(test_empty),
        TEST(test_nothing_new), TEST(test_changes_after),
        TEST(test_chain),       TEST(test_ring),
        TEST(test_fuzzy),       TEST(test_thread),
        TEST(test_failure),     TEST(test_freed_and_written),
        TEST(test_no_room),     TEST(test_fragments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

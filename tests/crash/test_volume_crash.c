/* The volume engine loses its power, and its process, before every write and flush, those of its
 * housekeeping included, and is opened again on what is left: any subset of the writes that were
 * not flushed, torn at sectors. Everything that was acknowledged is there, whole; what was not is
 * there whole or not at all; nothing else is listed; new objects can be put. The same for a bucket
 * with versions; and many lives of one volume.
 *
 * LB_SIM_SEED=n runs the workload n alone. */
#include <stdio.h>
#include <string.h>

#include "lib/check.h"
#include "lib/sim_model.h"
#include "lib/sim_versions.h"
#include "lib/sim_volume.h"

#define WORKLOADS 2
#define STEPS 30
#define IMAGES 2
#define DIGEST_ONE_IN 4 /* images: does the crash change anything? */
#define LIVES_SEEDS 20
#define LIVES 6
#define LIFE_STEPS 120

struct scene {
    struct sim_model model;
    struct simv_model versions;
    bool with_versions; /* which of the two */
    struct sim_store store;
    struct sim_fs *fs;
    uint64_t seed, places, images, damaged;
    char failure[1024];
};

static void keep_failure(struct scene *s) {
    const char *text = s->with_versions ? s->versions.failure : s->model.failure;
    if (!s->failure[0])
        snprintf(s->failure, sizeof(s->failure), "%s", text);
}

/* Looks at an open store, on a copy of the model. */
static void check(struct scene *s, struct sim_store *store, enum sim_check how) {
    static struct simv_model copy;
    if (!s->with_versions) {
        sim_model_check(&s->model, store, how, false);
        keep_failure(s);
        return;
    }
    copy = s->versions;
    simv_check(&copy, store, true);
    memcpy(s->versions.failure, copy.failure, sizeof(copy.failure));
    keep_failure(s);
}

/* Opens the volume of an image and looks. Takes the image. */
static void look(struct scene *s, struct sim_fs *image, enum sim_check how, uint64_t seed) {
    struct sim_store store;
    if (s->images++ % DIGEST_ONE_IN == 0)
        s->damaged += sim_fs_digest(image) != sim_fs_digest(s->fs);
    int err = sim_volume_open(&store, image, seed, SIM_VOLUME_SMALL);
    if (err) {
        snprintf(s->failure, sizeof(s->failure), "the volume does not open: %d", err);
    } else {
        check(s, &store, how);
        sim_store_close(&store);
        if (sim_fs_open_count(image) > 0)
            snprintf(s->failure, sizeof(s->failure), "descriptors are left open");
    }
    sim_fs_free(image);
}

static void crash_here(void *ctx, enum sim_call call) {
    struct scene *s = ctx;
    if (s->failure[0])
        return;
    s->places++;
    for (uint64_t i = 0; i < IMAGES && !s->failure[0]; i++) {
        uint64_t seed = s->seed * 1000003 + s->places * 17 + i;
        look(s, sim_fs_crash(s->fs, seed), SIM_CHECK_POWER, seed);
    }
    if (!s->failure[0])
        look(s, sim_fs_kill(s->fs), SIM_CHECK_LIVE, s->places);
}

static void begin(struct scene *s, struct sim_fs_conf conf, uint64_t seed, bool with_versions,
                  unsigned relaxed_percent) {
    *s = (struct scene){.seed = seed, .with_versions = with_versions};
    conf.seed = seed;
    s->fs = sim_fs_new(&conf);
    if (with_versions)
        simv_init(&s->versions, seed);
    else
        sim_model_init(&s->model, seed, relaxed_percent);
}

static void work(struct scene *s, unsigned steps) {
    if (s->with_versions)
        simv_run(&s->versions, &s->store, steps);
    else
        sim_model_run(&s->model, &s->store, steps);
    keep_failure(s);
}

static void play(struct scene *s, struct sim_fs_conf conf, uint64_t seed, bool with_versions,
                 unsigned relaxed_percent) {
    begin(s, conf, seed, with_versions, relaxed_percent);
    assert_int_equal(sim_volume_open(&s->store, s->fs, seed, SIM_VOLUME_SMALL), 0);
    sim_fs_hook(s->fs, SIM_CHANGES, crash_here, s);
    work(s, STEPS);
    crash_here(s, SIM_FSYNC);
    sim_fs_hook(s->fs, 0, NULL, NULL);
}

static void play_end(struct scene *s) {
    sim_store_wait(&s->store);
    sim_store_close(&s->store);
    assert_int_equal(sim_fs_open_count(s->fs), 0);
    sim_fs_free(s->fs);
}

static void report(const struct scene *s) {
    print_error("%s, LB_SIM_SEED=%llu, place %llu: %s\n", s->with_versions ? "versions" : "objects",
                (unsigned long long)s->seed, (unsigned long long)s->places, s->failure);
    fail();
}

static void run_all(bool with_versions, unsigned relaxed_percent) {
    static struct scene s;
    const char *only = getenv("LB_SIM_SEED");
    uint64_t first = only ? strtoull(only, NULL, 0) : 1;
    for (uint64_t seed = first; seed < first + (only ? 1 : WORKLOADS); seed++) {
        play(&s, (struct sim_fs_conf){0}, seed, with_versions, relaxed_percent);
        if (s.failure[0])
            report(&s);
        assert_true(s.damaged > 0);
        play_end(&s);
    }
}

static void test_objects(void **state) {
    run_all(false, 0);
}

static void test_relaxed(void **state) {
    run_all(false, 60);
}

static void test_versions(void **state) {
    run_all(true, 0);
}

/* On a device whose flush does nothing, all this must be seen to fail. */
static void test_canary(void **state) {
    static struct scene s;
    play(&s, (struct sim_fs_conf){.lies = true}, 1, false, 0);
    assert_string_not_equal(s.failure, "");
    play_end(&s);
}

/* ---- many lives ---- */

static void end_life(struct scene *s, struct lb_prng *p, enum sim_check *ret_how) {
    uint64_t how = lb_prng_below(p, 3);
    struct sim_fs *next = how == 1   ? sim_fs_crash(s->fs, lb_prng_next(p))
                          : how == 2 ? sim_fs_kill(s->fs)
                                     : NULL;
    *ret_how = how == 1 ? SIM_CHECK_POWER : SIM_CHECK_LIVE;
    sim_store_close(&s->store);
    assert_int_equal(sim_fs_open_count(s->fs), 0);
    if (!next)
        return;
    sim_fs_free(s->fs);
    s->fs = next;
}

static void live(struct scene *s, struct lb_prng *p) {
    enum sim_check how = SIM_CHECK_LIVE;
    for (int round = 0; round < LIVES && !s->failure[0]; round++) {
        int err = sim_volume_open(&s->store, s->fs, s->seed + (uint64_t)round, SIM_VOLUME_SMALL);
        if (err) {
            snprintf(s->failure, sizeof(s->failure), "the volume does not open: %d", err);
            return;
        }
        if (s->with_versions)
            simv_check(&s->versions, &s->store, true);
        else
            sim_model_check(&s->model, &s->store, how, true);
        keep_failure(s);
        if (!s->failure[0])
            work(s, LIFE_STEPS);
        sim_store_wait(&s->store);
        end_life(s, p, &how);
    }
}

static void test_lives(void **state) {
    static struct scene s;
    const char *only = getenv("LB_SIM_SEED");
    uint64_t first = only ? strtoull(only, NULL, 0) : 1;
    for (uint64_t seed = first; seed < first + (only ? 1 : LIVES_SEEDS); seed++) {
        struct lb_prng p;
        lb_prng_seed(&p, seed);
        begin(&s, (struct sim_fs_conf){.journaled = lb_prng_below(&p, 2)}, seed, seed % 2, 30);
        live(&s, &p);
        if (s.failure[0])
            report(&s);
        sim_fs_free(s.fs);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_objects),  cmocka_unit_test(test_relaxed),
        cmocka_unit_test(test_versions), cmocka_unit_test(test_lives),
        cmocka_unit_test(test_canary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

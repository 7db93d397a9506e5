/* A bucket with versions loses its power, and its process, before every call that changes the disk,
 * and is opened again on what is left: every key has the versions that were acknowledged, or those
 * and what was in flight; nothing is left over. And many lives of one store, each ended by a
 * shutdown, a kill or a power loss, go on with what is left.
 *
 * LB_SIM_SEED=n runs the workload n alone. */
#include <stdio.h>
#include <string.h>

#include "base/asan.h"
#include "lib/check.h"
#include "lib/sim_versions.h"

/* With a sanitizer, fewer: it looks at the same code, and the rest is seen without. */
#define WORKLOADS (LB_ASAN ? 1 : 2)
#define STEPS 30
#define IMAGES 2
#define IMAGES_SCRIPT 8
#define LIVES_SEEDS (LB_ASAN ? 5 : 20)
#define LIVES 6
#define LIFE_STEPS 80

struct scene {
    struct simv_model model;
    struct sim_store store;
    struct sim_fs *fs;
    uint64_t seed, places, images_each;
};

/* Opens the engine on an image and looks, on a copy of the model. Takes the image. */
static void look(struct scene *s, struct sim_fs *image, uint64_t seed) {
    static struct simv_model copy;
    struct sim_store store;
    copy = s->model;
    if (sim_store_open(&store, image, seed) != 0) {
        simv_fail(&s->model, "the engine does not open");
    } else {
        simv_check(&copy, &store, true);
        sim_store_close(&store);
        if (sim_fs_open_count(image) > 0)
            simv_fail(&copy, "descriptors are left open");
        memcpy(s->model.failure, copy.failure, sizeof(copy.failure));
    }
    sim_fs_free(image);
}

static void crash_here(void *ctx, enum sim_call call) {
    struct scene *s = ctx;
    if (s->model.failure[0])
        return;
    s->places++;
    for (uint64_t i = 0; i < s->images_each && !s->model.failure[0]; i++) {
        uint64_t seed = s->seed * 1000003 + s->places * 17 + i;
        look(s, sim_fs_crash(s->fs, seed), seed);
    }
    if (!s->model.failure[0])
        look(s, sim_fs_kill(s->fs), s->places);
}

/* Runs a script, or (NULL) a random workload, with its crashes. */
static void play(struct scene *s, struct sim_fs_conf conf, uint64_t seed, const char *script) {
    *s = (struct scene){.seed = seed, .images_each = script ? IMAGES_SCRIPT : IMAGES};
    conf.seed = seed;
    s->fs = sim_fs_new(&conf);
    simv_init(&s->model, seed);
    assert_int_equal(sim_store_open(&s->store, s->fs, seed), 0);
    sim_fs_hook(s->fs, SIM_CHANGES, crash_here, s);
    if (script)
        simv_script(&s->model, &s->store, script);
    else
        simv_run(&s->model, &s->store, STEPS);
    crash_here(s, SIM_FSYNC);
    sim_fs_hook(s->fs, 0, NULL, NULL);
}

static void play_end(struct scene *s) {
    sim_store_wait(&s->store);
    sim_store_close(&s->store);
    assert_int_equal(sim_fs_open_count(s->fs), 0);
    sim_fs_free(s->fs);
}

static void run(struct sim_fs_conf conf, uint64_t seed, const char *script) {
    static struct scene s;
    play(&s, conf, seed, script);
    if (s.model.failure[0]) {
        print_error("%s%s%s%s, LB_SIM_SEED=%llu, place %llu: %s\n",
                    conf.journaled ? "journaled" : "plain", conf.no_link ? " without links" : "",
                    script ? ", script " : "", script ? script : "", (unsigned long long)seed,
                    (unsigned long long)s.places, s.model.failure);
        fail();
    }
    play_end(&s);
}

/* Every kind of file system. */
static const struct sim_fs_conf confs[] = {
    {.xattr_max = 65536},
    {.xattr_max = 65536, .journaled = true},
    {.xattr_max = 0, .no_type = true},
    {.xattr_max = 0, .journaled = true},
    {.xattr_max = 4000, .journaled = true, .no_link = true, .clone = SIM_CLONE_REFLINK},
    {.xattr_max = 4000, .no_link = true, .clone = SIM_CLONE_COPY},
};

static void test_scripts(void **state) {
    static const char *const scripts[] = {
        "o0 +0 +0 -0 x0 x0", /* the null version, its successors, a marker and its removal */
        "+2 +2 -2 x2 y2 x2", /* the same of a hidden key, and the oldest first */
        "o0 +0 n0 s0 +0 s0 n0 x0 x0", /* suspended: the null version wherever it is */
        "s4 -4 s4 +4 z4 x4 x4",       /* markers alone */
        "+1 +0 +1 x0 +1 x1 -1 x1",    /* a key that moves from hidden to plain and back */
        "o3 =3 +3 =3 n3 =3 -3",
    };
    for (size_t i = 0; i < CHECK_COUNT(scripts); i++) {
        for (size_t k = 0; k < CHECK_COUNT(confs); k++)
            run(confs[k], i + 1, scripts[i]);
    }
}

static void test_random(void **state) {
    const char *only = getenv("LB_SIM_SEED");
    uint64_t first = only ? strtoull(only, NULL, 0) : 1;
    for (uint64_t seed = first; seed < first + (only ? 1 : WORKLOADS); seed++) {
        for (size_t k = 0; k < CHECK_COUNT(confs); k++)
            run(confs[k], seed, NULL);
    }
}

/* On a disk whose fsync does nothing, all this must be seen to fail. */
static void test_canary(void **state) {
    for (int journaled = 0; journaled < 2; journaled++) {
        static struct scene s;
        struct sim_fs_conf conf = {.xattr_max = 65536, .journaled = journaled, .lies = true};
        play(&s, conf, 1, "+0 +0 -0 +2 x0 n0");
        assert_string_not_equal(s.model.failure, "");
        play_end(&s);
    }
}

/* ---- many lives ---- */

static struct sim_fs *end_of_life(struct scene *s, struct lb_prng *p) {
    uint64_t how = lb_prng_below(p, 3);
    struct sim_fs *next = how == 1   ? sim_fs_crash(s->fs, lb_prng_next(p))
                          : how == 2 ? sim_fs_kill(s->fs)
                                     : NULL;
    sim_store_close(&s->store);
    assert_int_equal(sim_fs_open_count(s->fs), 0);
    if (!next)
        return s->fs;
    sim_fs_free(s->fs);
    return next;
}

static void live(struct scene *s, struct lb_prng *p) {
    for (int round = 0; round < LIVES && !s->model.failure[0]; round++) {
        assert_int_equal(sim_store_open(&s->store, s->fs, s->seed + (uint64_t)round), 0);
        if (!simv_check(&s->model, &s->store, true) ||
            !simv_run(&s->model, &s->store, LIFE_STEPS)) {
            sim_store_wait(&s->store);
            sim_store_close(&s->store);
            return;
        }
        simv_check(&s->model, &s->store, true);
        s->fs = end_of_life(s, p);
    }
}

static void test_lives(void **state) {
    static struct scene s;
    const char *only = getenv("LB_SIM_SEED");
    uint64_t first = only ? strtoull(only, NULL, 0) : 1;
    for (uint64_t seed = first; seed < first + (only ? 1 : LIVES_SEEDS); seed++) {
        struct lb_prng p;
        lb_prng_seed(&p, seed);
        struct sim_fs_conf conf = confs[lb_prng_below(&p, CHECK_COUNT(confs))];
        conf.seed = seed;
        s = (struct scene){.seed = seed, .fs = sim_fs_new(&conf)};
        simv_init(&s.model, seed);
        live(&s, &p);
        if (s.model.failure[0]) {
            print_error("LB_SIM_SEED=%llu: %s\n", (unsigned long long)seed, s.model.failure);
            fail();
        }
        sim_fs_free(s.fs);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scripts),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_lives),
        cmocka_unit_test(test_canary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

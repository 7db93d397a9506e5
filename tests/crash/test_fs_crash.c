/* The filesystem engine loses its power, and its process, before every call that changes the disk,
 * and is opened again on what is left: everything that was acknowledged is there, whole; what was
 * not is there whole or not at all; nothing else is listed; nothing is left over.
 *
 * LB_SIM_SEED=n runs the workload n alone. */
#include <stdio.h>
#include <string.h>

#include "lib/check.h"
#include "lib/sim_model.h"

#define WORKLOADS 3
#define STEPS 30
#define IMAGES 2         /* power losses at each place */
#define IMAGES_SCRIPT 16 /* the same, of the short scripts */

struct scene {
    struct sim_model model;
    struct sim_store store;
    struct sim_fs *fs;
    uint64_t seed;
    uint64_t places;
    uint64_t images_each;
    uint64_t images;
    uint64_t damaged; /* images that differ from what was seen: the test's own proof of life */
};

/* Opens the engine on an image and looks. Takes the image. */
static void look(struct scene *s, struct sim_fs *image, enum sim_check how, uint64_t seed) {
    struct sim_store store;
    s->images++;
    s->damaged += sim_fs_digest(image) != sim_fs_digest(s->fs);
    int err = sim_store_open(&store, image, seed);
    if (err)
        sim_model_fail(&s->model, "the engine does not open: %d", err);
    if (!err) {
        sim_model_check(&s->model, &store, how, false);
        sim_store_close(&store);
        if (sim_fs_open_count(image) > 0)
            sim_model_fail(&s->model, "descriptors are left open");
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
        struct sim_fs *image = sim_fs_crash(s->fs, seed);
        look(s, image, SIM_CHECK_POWER, seed);
    }
    if (!s->model.failure[0])
        look(s, sim_fs_kill(s->fs), SIM_CHECK_LIVE, s->places);
}

/* Runs a script, or (NULL) a random workload, with its crashes. */
static void play(struct scene *s, struct sim_fs_conf conf, uint64_t seed, unsigned relaxed_percent,
                 const char *script) {
    *s = (struct scene){.seed = seed, .images_each = script ? IMAGES_SCRIPT : IMAGES};
    conf.seed = seed;
    s->fs = sim_fs_new(&conf);
    sim_model_init(&s->model, seed, relaxed_percent);
    assert_int_equal(sim_store_open(&s->store, s->fs, seed), 0);
    sim_fs_hook(s->fs, SIM_CHANGES, crash_here, s);
    if (script)
        sim_model_script(&s->model, &s->store, script);
    else
        sim_model_run(&s->model, &s->store, STEPS);
    crash_here(s, SIM_FSYNC);
    sim_fs_hook(s->fs, 0, NULL, NULL);
}

static void play_end(struct scene *s) {
    sim_store_wait(&s->store);
    sim_store_close(&s->store);
    assert_int_equal(sim_fs_open_count(s->fs), 0);
    sim_fs_free(s->fs);
}

static void run(struct sim_fs_conf conf, uint64_t seed, unsigned relaxed_percent,
                const char *script) {
    static struct scene s;
    play(&s, conf, seed, relaxed_percent, script);
    if (s.model.failure[0]) {
        print_error("%s%s%s, LB_SIM_SEED=%llu, place %llu: %s\n",
                    conf.journaled ? "journaled" : "plain", script ? ", script " : "",
                    script ? script : "", (unsigned long long)seed, (unsigned long long)s.places,
                    s.model.failure);
        fail();
    }
    assert_true(s.damaged > s.images / 8);
    play_end(&s);
}

/* On a disk whose fsync does nothing, all this must be seen to fail. */
static void test_canary(void **state) {
    for (int journaled = 0; journaled < 2; journaled++) {
        static struct scene s;
        struct sim_fs_conf conf = {.xattr_max = 65536, .journaled = journaled, .lies = true};
        play(&s, conf, 1, 0, "+0 +0 -0 +3");
        assert_string_not_equal(s.model.failure, "");
        play_end(&s);
    }
}

static void run_all(struct sim_fs_conf conf, unsigned relaxed_percent) {
    const char *only = getenv("LB_SIM_SEED");
    if (only) {
        run(conf, strtoull(only, NULL, 0), relaxed_percent, NULL);
        return;
    }
    for (uint64_t seed = 1; seed <= WORKLOADS; seed++)
        run(conf, seed, relaxed_percent, NULL);
}

/* What POSIX promises, and no more. */
static void test_plain(void **state) {
    run_all((struct sim_fs_conf){.xattr_max = 65536, .clone = SIM_CLONE_COPY}, 0);
}

/* ext4 and XFS. */
static void test_journaled(void **state) {
    run_all((struct sim_fs_conf){.journaled = true, .xattr_max = 65536, .cold_percent = 20}, 0);
}

static void test_reflink(void **state) {
    run_all((struct sim_fs_conf){.journaled = true, .xattr_max = 4000, .clone = SIM_CLONE_REFLINK},
            0);
}

/* Attributes in files of their own. */
static void test_sidecars(void **state) {
    run_all((struct sim_fs_conf){.xattr_max = 0, .no_type = true}, 0);
}

/* Some in attributes, some in files. */
static void test_small_xattrs(void **state) {
    run_all((struct sim_fs_conf){.xattr_max = 4000, .clone = SIM_CLONE_REFLINK}, 0);
}

/* May be lost, but not torn without being recognised; without a journal not even lost. */
static void test_relaxed(void **state) {
    run_all((struct sim_fs_conf){.journaled = true, .xattr_max = 65536}, 60);
    run_all((struct sim_fs_conf){.xattr_max = 65536}, 60);
    run_all((struct sim_fs_conf){.xattr_max = 0}, 60);
}

/* Keys that move: from hidden to plain when what was in their way has gone, and what is put where
 * directories were. */
static void test_moves(void **state) {
    static const char *const scripts[] = {"+0 +1 -0 +1 +1", "+1 +0 -1 +0 +0", "+0 +2 =2 -0 +2 =2",
                                          "+2 +1 +0 -2 +1 -1 +0"};
    static const struct sim_fs_conf confs[] = {{.xattr_max = 65536},
                                               {.xattr_max = 65536, .journaled = true},
                                               {.xattr_max = 0},
                                               {.xattr_max = 0, .journaled = true}};
    for (size_t i = 0; i < CHECK_COUNT(scripts); i++) {
        for (size_t k = 0; k < CHECK_COUNT(confs); k++)
            run(confs[k], 1, 0, scripts[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),        cmocka_unit_test(test_journaled),
        cmocka_unit_test(test_reflink),      cmocka_unit_test(test_sidecars),
        cmocka_unit_test(test_small_xattrs), cmocka_unit_test(test_relaxed),
        cmocka_unit_test(test_moves),        cmocka_unit_test(test_canary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The filesystem engine under a long random workload on the simulator, against a model in memory,
 * with kills and power losses in between: each time it goes on with what is left.
 *
 * LB_SIM_SEED=n runs that seed alone (default: SEEDS of them), LB_SIM_ROUNDS=n that many lives of
 * the store for each. A seed that fails is printed, and fails again. */
#include <stdio.h>
#include <string.h>

#include "lib/seeds.h"
#include "lib/sim_model.h"

#define SEEDS 40
#define ROUNDS 6
#define STEPS 120

struct life {
    struct sim_model model;
    struct sim_store store;
    struct sim_fs *fs;
    struct lb_prng prng;
    uint64_t trace;
};

static struct sim_fs_conf conf_of(struct lb_prng *p, uint64_t seed) {
    static const size_t xattrs[] = {65536, 4000, 0};
    return (struct sim_fs_conf){.seed = seed,
                                .journaled = lb_prng_below(p, 2),
                                .no_type = lb_prng_below(p, 4) == 0,
                                .clone = (enum sim_clone)lb_prng_below(p, 3),
                                .xattr_max = xattrs[lb_prng_below(p, 3)],
                                .cold_percent = (unsigned)lb_prng_below(p, 50)};
}

/* The image that a shutdown, a kill or a power loss leaves. */
static struct sim_fs *end_of_life(struct life *l, enum sim_check *ret_how) {
    uint64_t how = lb_prng_below(&l->prng, 3);
    struct sim_fs *next = NULL;
    *ret_how = how == 1 ? SIM_CHECK_POWER : SIM_CHECK_LIVE;
    if (how == 1)
        next = sim_fs_crash(l->fs, lb_prng_next(&l->prng));
    else if (how == 2)
        next = sim_fs_kill(l->fs);
    l->trace ^= sim_trace(l->store.sim);
    sim_store_close(&l->store);
    assert_int_equal(sim_fs_open_count(l->fs), 0);
    if (!next)
        return l->fs;
    sim_fs_free(l->fs);
    return next;
}

static bool live(struct life *l, uint64_t seed, uint64_t round) {
    if (sim_store_open(&l->store, l->fs, seed + round) != 0)
        return sim_model_fail(&l->model, "the engine does not open");
    sim_model_run(&l->model, &l->store, STEPS);
    if (l->model.failure[0]) {
        sim_store_wait(&l->store);
        sim_store_close(&l->store);
        return false;
    }
    enum sim_check how;
    l->fs = end_of_life(l, &how);
    if (sim_store_open(&l->store, l->fs, seed + round) != 0)
        return sim_model_fail(&l->model, "the engine does not open again");
    sim_model_check(&l->model, &l->store, how, true);
    sim_store_close(&l->store);
    return !l->model.failure[0];
}

/* Returns the hash of the whole run; a failure is in the life's model. */
static uint64_t run(struct life *l, uint64_t seed, uint64_t rounds, bool lies) {
    memset(l, 0, sizeof(*l));
    lb_prng_seed(&l->prng, seed);
    struct sim_fs_conf conf = conf_of(&l->prng, seed);
    conf.lies = lies;
    l->fs = sim_fs_new(&conf);
    sim_model_init(&l->model, seed, 30);
    for (uint64_t round = 1; round <= rounds && live(l, seed, round); round++)
        ;
    uint64_t digest = sim_fs_digest(l->fs);
    sim_fs_free(l->fs);
    return l->trace ^ digest;
}

static const char *run_seed(uint64_t seed, uint64_t rounds) {
    static struct life l;
    run(&l, seed, rounds, false);
    return l.model.failure;
}

static void test_workload(void **state) {
    seeds_each(SEEDS, ROUNDS, run_seed);
}

static void test_repeatable(void **state) {
    static struct life l;
    uint64_t first = run(&l, 3, 2, false);
    assert_int_equal(run(&l, 3, 2, false), first);
    assert_int_not_equal(run(&l, 4, 2, false), first);
}

/* On a disk whose fsync does nothing, it must be seen to fail. */
static void test_canary(void **state) {
    static struct life l;
    unsigned caught = 0;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        run(&l, seed, ROUNDS, true);
        caught += l.model.failure[0] != 0;
    }
    assert_true(caught > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_workload),
        cmocka_unit_test(test_repeatable),
        cmocka_unit_test(test_canary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

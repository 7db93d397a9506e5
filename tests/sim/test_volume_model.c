/* The volume engine against the engine in memory: one random workload on both, every answer
 * compared, with shutdowns, kills and power losses in between.
 *
 * LB_SIM_SEED=n runs that seed alone (default: SEEDS of them), LB_SIM_ROUNDS=n that many lives of
 * the volume for each. A seed that fails is printed, and fails again. */
#include <stdio.h>
#include <string.h>

#include "lib/mem_engine.h"
#include "lib/seeds.h"
#include "lib/sim_twin.h"
#include "lib/sim_volume.h"

#define SEEDS 12
#define ROUNDS 6
#define STEPS 300

struct pair {
    struct sim_twin twin;
    struct sim_store oracle, store;
    struct sim_fs *oracle_fs, *fs;
    struct lb_prng prng;
};

static int open_memory(struct sim_store *s) {
    s->engine = mem_engine_new();
    return 0;
}

static void fail_with(struct pair *p, const char *text, int err) {
    if (!p->twin.failure[0])
        snprintf(p->twin.failure, sizeof(p->twin.failure), "%s: %d", text, err);
}

/* Ends a life: by a shutdown, or as kill -9 does. Nothing is in flight, so both keep everything. */
static void end_life(struct pair *p) {
    struct sim_fs *next = lb_prng_below(&p->prng, 2) ? sim_fs_kill(p->fs) : NULL;
    sim_store_close(&p->store);
    assert_int_equal(sim_fs_open_count(p->fs), 0);
    if (!next)
        return;
    sim_fs_free(p->fs);
    p->fs = next;
}

static void live(struct pair *p, uint64_t seed) {
    int err = sim_volume_open(&p->store, p->fs, seed, SIM_VOLUME_LARGE);
    if (err) {
        fail_with(p, "the volume does not open", err);
        return;
    }
    if (sim_twin_compare(&p->twin, &p->oracle, &p->store))
        sim_twin_run(&p->twin, &p->oracle, &p->store, STEPS);
    end_life(p);
}

/* When everything is removed, what it took is free again. */
static void check_space(struct pair *p, uint64_t seed, uint64_t free_bytes) {
    int err = sim_volume_open(&p->store, p->fs, seed, SIM_VOLUME_LARGE);
    if (err) {
        fail_with(p, "the volume does not open", err);
        return;
    }
    uint64_t before = sim_volume_free(&p->store);
    if (sim_twin_clear(&p->twin, &p->oracle, &p->store) &&
        sim_twin_compare(&p->twin, &p->oracle, &p->store)) {
        uint64_t after = sim_volume_free(&p->store);
        if (after < free_bytes || after < before)
            snprintf(p->twin.failure, sizeof(p->twin.failure),
                     "%llu bytes are free of %llu, all objects removed (%llu before)",
                     (unsigned long long)after, (unsigned long long)free_bytes,
                     (unsigned long long)before);
    }
    sim_store_close(&p->store);
}

static const char *run(uint64_t seed, uint64_t rounds) {
    static struct pair p;
    struct sim_fs_conf conf = {.seed = seed};
    memset(&p, 0, sizeof(p));
    lb_prng_seed(&p.prng, seed);
    sim_twin_init(&p.twin, seed);
    p.oracle_fs = sim_fs_new(&conf);
    p.fs = sim_fs_new(&conf);
    assert_int_equal(sim_store_open_with(&p.oracle, p.oracle_fs, seed, open_memory), 0);
    assert_int_equal(sim_volume_open(&p.store, p.fs, seed, SIM_VOLUME_LARGE), 0);
    uint64_t free_bytes = sim_volume_free(&p.store);
    sim_store_close(&p.store);
    for (uint64_t i = 0; i < rounds && !p.twin.failure[0]; i++)
        live(&p, seed + i);
    if (!p.twin.failure[0])
        check_space(&p, seed, free_bytes);
    sim_store_close(&p.oracle);
    sim_twin_fini(&p.twin);
    sim_fs_free(p.oracle_fs);
    sim_fs_free(p.fs);
    return p.twin.failure;
}

static void test_model(void **state) {
    seeds_each(SEEDS, ROUNDS, run);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

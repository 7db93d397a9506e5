/* Every call of the file system fails once, in turn, under the same workload, until the workload
 * passes without meeting the failure. Whatever fails: no crash, no leak, no descriptor left open,
 * an error to the client that asked, everything acknowledged still there, after a power loss too,
 * and after a restart the store whole and writable.
 *
 * LB_SIM_SEED=n runs the workload n alone; LB_SIM_FAIL=n lets only the nth call fail. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/fault.h"
#include "lib/sim_model.h"

#define WORKLOADS 2
#define STEPS 24
#define IMAGES 2 /* power losses after each run */

/* All but what only gives hints. */
#define ALL ((1u << SIM_CALLS) - 1)

/* Opens the engine again and looks at everything. */
static void restart_check(struct sim_model *m, struct sim_fs *fs, enum sim_check how) {
    struct sim_store store;
    int err = sim_store_open(&store, fs, 1);
    if (err) {
        sim_model_fail(m, "the engine does not open again: %d", err);
        return;
    }
    sim_model_check(m, &store, how, false);
    sim_store_close(&store);
}

/* What was acknowledged after a failure must outlive a power loss, too. */
static void power_check(struct sim_model *m, struct sim_fs *fs, uint64_t seed) {
    struct sim_fs *image = sim_fs_crash(fs, seed);
    restart_check(m, image, SIM_CHECK_POWER);
    sim_fs_free(image);
}

/* Returns whether the failing call was met. */
static bool run(const struct fault *f, const void *ctx, uint64_t seed, uint64_t nth) {
    struct sim_fs_conf conf = *(const struct sim_fs_conf *)ctx;
    static struct sim_model m;
    struct sim_store store;
    conf.seed = seed;
    struct sim_fs *fs = sim_fs_new(&conf);
    bool met = false;
    sim_model_init(&m, seed, 30);
    m.faults = true;
    sim_fs_fail(fs, f->calls, nth, f->err, f->sticky);
    if (sim_store_open(&store, fs, seed) == 0) {
        sim_model_run(&m, &store, STEPS);
        unsigned failed = sim_fs_failed_calls(fs);
        met = failed != 0;
        sim_fs_fail(fs, 0, 0, 0, false);
        /* Only an fsync that failed ends the writing until a restart. */
        if (!m.failure[0] && !(failed & SIM_BIT(SIM_FSYNC)))
            sim_model_check_write(&m, &store);
        if (m.failure[0])
            fault_report(f, "", seed, nth, m.failure);
        sim_store_close(&store);
    }
    met |= sim_fs_failed(fs) > 0;
    sim_fs_fail(fs, 0, 0, 0, false);
    if (sim_fs_open_count(fs) > 0)
        sim_model_fail(&m, "%zu descriptors are left open", sim_fs_open_count(fs));
    if (!met && m.errors > 0)
        sim_model_fail(&m, "an operation failed without a cause");
    for (uint64_t i = 0; i < IMAGES && !m.failure[0]; i++)
        power_check(&m, fs, nth * IMAGES + i);
    if (!m.failure[0])
        restart_check(&m, fs, SIM_CHECK_LIVE);
    if (m.failure[0])
        fault_report(f, "", seed, nth, m.failure);
    sim_fs_free(fs);
    return met;
}

static void run_all(const struct fault *f, struct sim_fs_conf conf) {
    fault_each(f, WORKLOADS, run, &conf);
}

static const struct sim_fs_conf plain = {.xattr_max = 65536, .clone = SIM_CLONE_COPY};
static const struct sim_fs_conf journaled = {.xattr_max = 4000, .journaled = true};

static const struct sim_fs_conf sidecars = {.no_type = true};

static void test_each(void **state) {
    static const struct fault f = {"each call", ALL, 0, false};
    run_all(&f, plain);
    run_all(&f, journaled);
    run_all(&f, sidecars);
}

/* From then on there is no room, until the restart. */
static void test_full(void **state) {
    static const struct fault f = {"full disk",
                                   SIM_BIT(SIM_CREATE) | SIM_BIT(SIM_WRITE) |
                                       SIM_BIT(SIM_ALLOCATE) | SIM_BIT(SIM_CLONE) |
                                       SIM_BIT(SIM_SETXATTR) | SIM_BIT(SIM_MKDIR),
                                   ENOSPC, true};
    run_all(&f, plain);
    run_all(&f, journaled);
}

static void test_broken_disk(void **state) {
    static const struct fault f = {"broken disk", ALL, EIO, true};
    run_all(&f, plain);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_broken_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

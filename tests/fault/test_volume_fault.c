/* Every read, write and flush of a volume fails once, in turn, under the same workload, until the
 * workload passes without meeting the failure. Whatever fails: no crash, no leak, no descriptor
 * left open, an error to the client that asked, everything acknowledged still there, after a power
 * loss too, and after a restart the volume whole and writable. After a write or flush of the
 * journal that failed there are no more writes until the restart.
 *
 * LB_SIM_SEED=n runs the workload n alone; LB_SIM_FAIL=n lets only the nth call fail. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/fault.h"
#include "lib/sim_model.h"
#include "lib/sim_volume.h"

#define WORKLOADS 2
#define STEPS 40
#define IMAGES 2 /* power losses after each run */

/* Opens the volume again and looks at everything. */
static void restart_check(struct sim_model *m, struct sim_fs *fs, enum sim_check how) {
    struct sim_store store;
    int err = sim_volume_open(&store, fs, 1, SIM_VOLUME_SMALL);
    if (err) {
        sim_model_fail(m, "the volume does not open again: %d", err);
        return;
    }
    sim_model_check(m, &store, how, false);
    sim_store_close(&store);
}

/* Runs the workload on a volume that is there. Returns whether the failing call was met. */
static bool run(const struct fault *f, const void *ctx, uint64_t seed, uint64_t nth) {
    static struct sim_model m;
    struct sim_store store;
    struct sim_fs_conf conf = {.seed = seed};
    struct sim_fs *fs = sim_fs_new(&conf);
    assert_int_equal(sim_volume_open(&store, fs, seed, SIM_VOLUME_SMALL), 0);
    sim_store_close(&store);
    sim_model_init(&m, seed, 0);
    m.faults = true;
    sim_fs_fail(fs, f->calls, nth, f->err, f->sticky);
    if (sim_volume_open(&store, fs, seed, SIM_VOLUME_SMALL) == 0) {
        sim_model_run(&m, &store, STEPS);
        unsigned failed = sim_fs_failed_calls(fs);
        sim_fs_fail(fs, 0, 0, 0, false);
        if (m.failure[0])
            fault_report(f, "", seed, nth, m.failure);
        /* What is broken for reading is no reason to refuse writes. */
        if (failed == SIM_BIT(SIM_READ) && !f->sticky)
            sim_model_check_write(&m, &store);
        if (!failed && m.errors > 0)
            sim_model_fail(&m, "an operation failed without a cause");
        sim_store_close(&store);
        if (failed == 0 && !m.failure[0]) {
            sim_fs_free(fs);
            return false;
        }
    }
    sim_fs_fail(fs, 0, 0, 0, false);
    if (sim_fs_open_count(fs) > 0)
        sim_model_fail(&m, "%zu descriptors are left open", sim_fs_open_count(fs));
    for (uint64_t i = 0; i < IMAGES && !m.failure[0]; i++) {
        struct sim_fs *image = sim_fs_crash(fs, nth * IMAGES + i);
        restart_check(&m, image, SIM_CHECK_POWER);
        sim_fs_free(image);
    }
    if (!m.failure[0])
        restart_check(&m, fs, SIM_CHECK_LIVE);
    if (m.failure[0])
        fault_report(f, "", seed, nth, m.failure);
    sim_fs_free(fs);
    return true;
}

static void run_all(const struct fault *f) {
    fault_each(f, WORKLOADS, run, NULL);
}

static void test_each(void **state) {
    static const struct fault read = {"each read", SIM_BIT(SIM_READ), 0, false};
    static const struct fault write = {"each write", SIM_BIT(SIM_WRITE), 0, false};
    static const struct fault flush = {"each flush", SIM_BIT(SIM_FSYNC), 0, false};
    run_all(&read);
    run_all(&write);
    run_all(&flush);
}

/* A sparse file on a disk that is full. */
static void test_full(void **state) {
    static const struct fault f = {"full disk", SIM_BIT(SIM_WRITE), ENOSPC, true};
    run_all(&f);
}

static void test_broken_disk(void **state) {
    static const struct fault f = {
        "broken disk", SIM_BIT(SIM_READ) | SIM_BIT(SIM_WRITE) | SIM_BIT(SIM_FSYNC), EIO, true};
    run_all(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_broken_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

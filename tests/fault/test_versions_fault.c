/* Every call of the file system fails once, in turn, under the same workload on a bucket with
 * versions, until it passes without meeting the failure. Whatever fails: no crash, no leak, an
 * error to the client that asked, and each key as it was or as it was to be, after a power loss
 * too.
 *
 * LB_SIM_SEED=n runs the workload n alone; LB_SIM_FAIL=n lets only the nth call fail. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/fault.h"
#include "lib/sim_versions.h"

#define WORKLOADS 1
#define STEPS 24
#define KNOWN_NS 2000000000u /* by then the names of buckets are asked for again */
#define ALL ((1u << SIM_CALLS) - 1)

/* Opens the engine on an image (taken) and looks, on a copy of the model. */
static void look(struct simv_model *m, struct sim_fs *image) {
    static struct simv_model copy;
    struct sim_store store;
    copy = *m;
    int err = sim_store_open(&store, image, 1);
    if (err) {
        simv_fail(m, "the engine does not open again: %d", err);
    } else {
        simv_check(&copy, &store, true);
        memcpy(m->failure, copy.failure, sizeof(copy.failure));
        sim_store_close(&store);
    }
    sim_fs_free(image);
}

/* Returns whether the failing call was met. */
static bool run(const struct fault *f, const void *ctx, uint64_t seed, uint64_t nth) {
    struct sim_fs_conf conf = *(const struct sim_fs_conf *)ctx;
    static struct simv_model m;
    struct sim_store store;
    conf.seed = seed;
    struct sim_fs *fs = sim_fs_new(&conf);
    bool met = false;
    simv_init(&m, seed);
    m.faults = true;
    sim_fs_fail(fs, f->calls, nth, f->err, f->sticky);
    if (sim_store_open(&store, fs, seed) == 0) {
        simv_run(&m, &store, STEPS);
        met = sim_fs_failed(fs) > 0;
        sim_fs_fail(fs, 0, 0, 0, false);
        sim_sleep(store.sim, KNOWN_NS);
        if (!m.failure[0])
            simv_check(&m, &store, false);
        sim_store_wait(&store);
        sim_store_close(&store);
    }
    met |= sim_fs_failed(fs) > 0;
    sim_fs_fail(fs, 0, 0, 0, false);
    if (sim_fs_open_count(fs) > 0)
        simv_fail(&m, "%zu descriptors are left open", sim_fs_open_count(fs));
    if (!met && m.errors > 0)
        simv_fail(&m, "an operation failed without a cause");
    if (!m.failure[0])
        look(&m, sim_fs_crash(fs, nth));
    if (!m.failure[0])
        look(&m, sim_fs_kill(fs));
    sim_fs_free(fs);
    if (m.failure[0])
        fault_report(f, conf.journaled ? ", journaled" : ", plain", seed, nth, m.failure);
    return met;
}

static void run_all(const struct fault *f, struct sim_fs_conf conf) {
    fault_each(f, WORKLOADS, run, &conf);
}

static const struct sim_fs_conf plain = {.xattr_max = 65536, .clone = SIM_CLONE_COPY};
static const struct sim_fs_conf journaled = {.xattr_max = 4000, .journaled = true};
static const struct sim_fs_conf sidecars = {.no_type = true};
static const struct sim_fs_conf copies = {.xattr_max = 4000, .journaled = true, .no_link = true};

static void test_each(void **state) {
    static const struct fault f = {"each call", ALL, 0, false};
    run_all(&f, plain);
    run_all(&f, journaled);
    run_all(&f, sidecars);
    run_all(&f, copies);
}

/* From then on there is no room, until the restart. */
static void test_full(void **state) {
    static const struct fault f = {
        "full disk",
        SIM_BIT(SIM_CREATE) | SIM_BIT(SIM_WRITE) | SIM_BIT(SIM_ALLOCATE) | SIM_BIT(SIM_CLONE) |
            SIM_BIT(SIM_SETXATTR) | SIM_BIT(SIM_MKDIR) | SIM_BIT(SIM_LINK),
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

/* Letting every call of the file system fail in turn, under the same workload, until the workload
 * passes without meeting the failure. LB_SIM_SEED=n runs the workload n alone; LB_SIM_FAIL=n lets
 * only the nth call fail. */
#ifndef LB_TESTS_LIB_FAULT_H
#define LB_TESTS_LIB_FAULT_H

#include "lib/check.h"
#include "lib/seeds.h"

#define FAULT_CALLS_MAX 100000

struct fault {
    const char *name;
    unsigned calls;
    int err; /* 0: what is usual for the call */
    bool sticky;
};

/* Runs workload `seed` with the nth call failing. Returns whether that call was met. */
typedef bool (*fault_fn)(const struct fault *f, const void *ctx, uint64_t seed, uint64_t nth);

/* Workloads 1 to n, or the one that is asked for. */
static inline void fault_each(const struct fault *f, uint64_t n, fault_fn fn, const void *ctx) {
    const bool only = getenv("LB_SIM_FAIL") != NULL;
    uint64_t first = seeds_number("LB_SIM_SEED", 1);
    uint64_t last = getenv("LB_SIM_SEED") ? first : first + n - 1;
    for (uint64_t seed = first; seed <= last; seed++) {
        uint64_t nth = seeds_number("LB_SIM_FAIL", 1);
        bool met = fn(f, ctx, seed, nth);
        assert_true(met);
        while (met && !only) {
            assert_true(nth < FAULT_CALLS_MAX);
            met = fn(f, ctx, seed, ++nth);
        }
    }
}

/* Says how to see it again, and fails. `on`: what it ran on. */
static inline void fault_report(const struct fault *f, const char *on, uint64_t seed, uint64_t nth,
                                const char *failure) {
    print_error("%s%s, LB_SIM_SEED=%llu LB_SIM_FAIL=%llu: %s\n", f->name, on,
                (unsigned long long)seed, (unsigned long long)nth, failure);
    fail();
}

#endif

/* The seeds of a random workload: LB_SIM_SEED=n runs that one alone, LB_SIM_ROUNDS=n so many rounds
 * of each. A seed that fails is printed, and fails again. */
#ifndef LB_TESTS_LIB_SEEDS_H
#define LB_TESTS_LIB_SEEDS_H

#include "lib/check.h"

/* Runs one seed. Returns what has failed, or "". */
typedef const char *(*seeds_fn)(uint64_t seed, uint64_t rounds);

static inline uint64_t seeds_number(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 0) : otherwise;
}

/* Runs seeds 1 to n, or the one that is asked for. */
static inline void seeds_each(uint64_t n, uint64_t rounds, seeds_fn fn) {
    uint64_t first = seeds_number("LB_SIM_SEED", 1);
    uint64_t last = getenv("LB_SIM_SEED") ? first : first + n - 1;
    for (uint64_t seed = first; seed <= last; seed++) {
        const char *failure = fn(seed, seeds_number("LB_SIM_ROUNDS", rounds));
        if (failure[0]) {
            print_error("LB_SIM_SEED=%llu: %s\n", (unsigned long long)seed, failure);
            fail();
        }
    }
}

#endif

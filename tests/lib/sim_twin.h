/* One random workload on two engines, one after the other: whatever one answers, the other must.
 * The first is the engine in memory, which is the oracle. What can differ does not count: times,
 * and the text of version and upload ids, which are told by the order in which they were first
 * seen. */
#ifndef LB_TESTS_SIM_TWIN_H
#define LB_TESTS_SIM_TWIN_H

#include "base/buf.h"
#include "base/prng.h"
#include "sim_store.h"

#define SIM_TWIN_IDS 4096

/* Ids of one engine in the order in which they appeared. */
struct sim_twin_ids {
    size_t n;
    struct {
        char text[LB_UPLOAD_ID_MAX];
        size_t len;
    } id[SIM_TWIN_IDS];
};

struct sim_twin_side {
    struct sim_store *store;
    struct sim_twin_ids versions, uploads;
    struct lb_buf said; /* of the last operation, in words */
};

struct sim_twin {
    struct lb_prng prng;
    struct sim_twin_side side[2];
    uint64_t contents;
    uint64_t steps;  /* done */
    uint64_t wanted; /* bytes of the objects that were put */
    char failure[4096];
};

void sim_twin_init(struct sim_twin *t, uint64_t seed);
void sim_twin_fini(struct sim_twin *t);
/* Runs so many operations on both. A store may be another at each call, with the same in it. False
 * when they differ. */
bool sim_twin_run(struct sim_twin *t, struct sim_store *oracle, struct sim_store *store,
                  unsigned steps);
/* Removes everything from both. */
bool sim_twin_clear(struct sim_twin *t, struct sim_store *oracle, struct sim_store *store);
/* Compares everything there is. */
bool sim_twin_compare(struct sim_twin *t, struct sim_store *oracle, struct sim_store *store);

#endif

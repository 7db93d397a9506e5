/* A random workload on a bucket with versions, and what may be found of it after it has been cut
 * off at any moment: of each key all its versions as they were before the operation in flight, or
 * as they are after it.
 *
 * A few clients put, mark as deleted, remove versions and re-describe them, with versioning on and
 * suspended, on keys that are chosen to be difficult; no two of them on one key. */
#ifndef LB_TESTS_SIM_VERSIONS_H
#define LB_TESTS_SIM_VERSIONS_H

#include "base/prng.h"
#include "sim_store.h"

#define SIMV_BUCKET "versions"
#define SIMV_KEYS 6
#define SIMV_CLIENTS 3
#define SIMV_MAX 12 /* versions of a key */
#define SIMV_META_MAX 70000

/* One version as the model knows it. */
struct simv_version {
    struct lb_version_id id; /* len 0: not known, the operation has not been acknowledged */
    bool marker;
    bool null;
    uint64_t content, size, meta;
};

/* The versions of a key, newest first. */
struct simv_list {
    unsigned n;
    struct simv_version v[SIMV_MAX];
};

struct simv_key {
    struct lb_slice name;
    bool busy;
    bool unsure;           /* an operation has failed: now or next; nothing more is done */
    struct simv_list now;  /* acknowledged */
    struct simv_list next; /* in flight, or failed */
};

struct simv_client {
    struct simv_model *model;
    struct sim_job job;
    struct simv_key *key;
    bool running;
    char meta[SIMV_META_MAX];
};

struct simv_model {
    struct sim_store *store;
    struct lb_prng prng;
    struct simv_key keys[SIMV_KEYS];
    struct simv_client clients[SIMV_CLIENTS];
    uint64_t ids;
    bool faults; /* any operation may fail */
    bool bucket; /* made, and acknowledged */
    unsigned errors;
    char failure[1024]; /* what was wrong first; empty while nothing is */
};

void simv_init(struct simv_model *m, uint64_t seed);
/* Runs `steps` operations; all are complete when it returns. False when something was wrong. */
bool simv_run(struct simv_model *m, struct sim_store *store, unsigned steps);
/* Runs the operations named, one after the other, each a letter and the digit of a key:
 * "o0" puts without versioning, "+0" with, "n0" suspended; "-0" deletes with versioning, "s0"
 * suspended; "x0", "y0", "z0" remove the newest, the second, the oldest version; "=0" sets the meta
 * of the newest. */
bool simv_script(struct simv_model *m, struct sim_store *store, const char *script);
/* Looks at everything in a store; adopt: what was found is what the model knows from then on. */
bool simv_check(struct simv_model *m, struct sim_store *store, bool adopt);
/* Keeps the first failure. Returns false. */
bool simv_fail(struct simv_model *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The meta blob called `meta`: see sim_model_meta. */
struct lb_slice simv_meta(uint64_t meta, char *buf);

#endif

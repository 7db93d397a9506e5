/* A random workload on the filesystem engine, and what may be found after it has been cut off at
 * any moment.
 *
 * A few clients put, replace, remove, re-describe and upload in parts, at the same time, on keys
 * that are chosen to be difficult; no two of them on one key. The model knows for each key which
 * versions are allowed: the one acknowledged, beside it the one in flight, and after a power loss
 * those before it that were replaced by one acknowledged as `relaxed`. */
#ifndef LB_TESTS_SIM_MODEL_H
#define LB_TESTS_SIM_MODEL_H

#include "base/prng.h"
#include "sim_store.h"

#define SIM_BUCKET "bucket"
#define SIM_KEYS 14
#define SIM_CLIENTS 3
#define SIM_PARTS 3
#define SIM_VERSIONS 32
#define SIM_META_MAX 70000

struct sim_part {
    uint64_t content, size;
};

struct sim_version {
    bool there;
    uint64_t etag, meta;
    unsigned parts_n;
    struct sim_part parts[SIM_PARTS];
};

/* The newest ones. */
struct sim_versions {
    unsigned n;
    struct sim_version v[SIM_VERSIONS];
};

struct sim_key {
    struct lb_slice name;
    bool busy;
    struct sim_version now;    /* acknowledged */
    struct sim_version next;   /* in flight, while busy */
    struct sim_versions maybe; /* of operations that failed: they may have happened */
    struct sim_versions past;  /* a power loss may bring them back */
    bool relaxed;              /* something was, since the last sync: a power loss may damage it */
};

struct sim_client {
    struct sim_model *model;
    struct sim_job job;
    struct sim_key *key;
    void (*finish)(struct sim_client *c);
    bool running;
    bool relaxed;
    int expect; /* the job's err */
    char meta[SIM_META_MAX];
    /* its multipart upload */
    bool upload; /* acknowledged, and not being ended */
    struct sim_key *upload_key;
    char id[LB_UPLOAD_ID_MAX];
    size_t id_len;
    struct sim_part parts[SIM_PARTS];
    bool has_part[SIM_PARTS]; /* acknowledged */
    bool unsure[SIM_PARTS];   /* being put again, or a put failed */
    unsigned part;            /* in flight */
    struct lb_part_info infos[SIM_PARTS];
};

struct sim_model {
    struct sim_store *store;
    struct lb_prng prng;
    struct sim_key keys[SIM_KEYS];
    struct sim_client clients[SIM_CLIENTS];
    uint64_t ids; /* contents used */
    unsigned relaxed_percent;
    bool scripted;     /* no surprises */
    bool faults;       /* any operation may fail */
    bool bucket;       /* made, and acknowledged */
    unsigned errors;   /* operations that failed and were not meant to */
    char failure[512]; /* what was wrong first; empty while nothing is */
};

/* The meta blob called `meta`, of a length that depends on it: most are short, some are more than
 * an extended attribute can hold. buf holds SIM_META_MAX bytes. */
struct lb_slice sim_model_meta(uint64_t meta, char *buf);

/* A model of an empty store. */
void sim_model_init(struct sim_model *m, uint64_t seed, unsigned relaxed_percent);

/* Runs `steps` operations on an open engine, after making the bucket where it is not there. All are
 * complete when it returns. Returns false when something was wrong. */
bool sim_model_run(struct sim_model *m, struct sim_store *store, unsigned steps);

/* Runs the operations named, one after the other: "+0 -0 =1" puts keys[0], removes it, and sets the
 * meta of keys[1]. keys[0..2] are "a", "a/b", "a/b/c", and keys[3..5] can't be paths. */
bool sim_model_script(struct sim_model *m, struct sim_store *store, const char *script);

/* Keeps the first failure, printed as printf does. Returns false. */
bool sim_model_fail(struct sim_model *m, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* sim_check.c */

enum sim_check {
    SIM_CHECK_LIVE,  /* the store runs on, or was killed: all that was acknowledged is there */
    SIM_CHECK_POWER, /* the power was lost: all but what was relaxed */
};
/* Looks at everything in a store (opened on an image, or the one that runs, with no job under way),
 * then puts, reads and removes an object. adopt: from then on, what was found is what the model
 * knows, and uploads are forgotten. Returns false when something was wrong. */
bool sim_model_check(struct sim_model *m, struct sim_store *s, enum sim_check how, bool adopt);

/* Puts, reads and removes an object: the store takes writes. */
bool sim_model_check_write(struct sim_model *m, struct sim_store *s);

#endif

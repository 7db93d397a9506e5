/* An engine on the simulator, and clients of it: operations that run at the same time
 * (jobs), and calls that wait. */
#ifndef LB_TESTS_SIM_STORE_H
#define LB_TESTS_SIM_STORE_H

#include "base/prng.h"
#include "engine/engine.h"
#include "sim.h"

#define SIM_STORE_DIR "/data"

struct sim_store {
    struct sim_fs *fs; /* borrowed */
    struct sim *sim;
    struct lb_io *io;
    struct lb_pool *pool;
    struct lb_engine *engine;
    struct lb_engine_port *port;
    const struct lb_engine_ops *ops;
    size_t jobs;           /* running */
    struct lb_prng keeper; /* when a volume's housekeeping does more than it must */
};

/* Opens the engine on fs. Returns 0, or what opening it returned. seed is the machine's. */
int sim_store_open(struct sim_store *s, struct sim_fs *fs, uint64_t seed);
/* The same of another engine: `open` sets s->engine. */
int sim_store_open_with(struct sim_store *s, struct sim_fs *fs, uint64_t seed,
                        int (*open)(struct sim_store *s));
/* Closes; all jobs are done. */
void sim_store_close(struct sim_store *s);

/* The bytes of the content called `id`, from off on. Any two contents differ in every sector. */
void sim_content(uint64_t id, uint64_t off, void *ret, size_t len);
/* The ETag that a put of this content has. */
struct lb_etag sim_etag(uint64_t id);

#define SIM_JOB_WINDOW 3

struct sim_job;

struct sim_job_chunk {
    struct sim_job *job;
    struct lb_engine_op op;
    struct lb_pool_buf *buf;
};

/* One operation of a client. Its fields are filled in `op` between sim_job_init and the start. */
struct sim_job {
    struct sim_store *store;
    struct lb_arena arena;
    struct lb_engine_op op;
    void (*on_done)(struct sim_job *j); /* optional */
    void *user;
    bool done;
    int err;
    /* a put's */
    uint64_t content, size, sent;
    bool give_up; /* abort in place of the commit */
    unsigned flying;
    int write_err;
    struct sim_job_chunk chunks[SIM_JOB_WINDOW];
};

typedef void (*sim_method)(struct lb_engine_port *p, struct lb_engine_op *op);

void sim_job_init(struct sim_store *s, struct sim_job *j, struct lb_slice bucket,
                  struct lb_slice key);
void sim_job_fini(struct sim_job *j);
/* Starts a method of the engine that is one call. */
void sim_job_call(struct sim_job *j, sim_method method);
/* Starts a put of a content (of a part, when op.part is set): create, writes, commit. */
void sim_job_put(struct sim_job *j, uint64_t content, uint64_t size);
/* Turns until the job is done. Returns its err. A job that never ends, ends the test. */
int sim_job_wait(struct sim_job *j);
/* The same for all jobs. */
void sim_store_wait(struct sim_store *s);

/* A whole object as it is read. */
struct sim_got {
    uint64_t size;
    uint8_t *bytes; /* owned */
    struct lb_etag etag;
    char *meta; /* owned */
    size_t meta_len;
};
/* Opens and reads it all. Returns 0 (then sim_got_fini), or negative. */
int sim_store_get(struct sim_store *s, struct lb_slice bucket, struct lb_slice key,
                  struct sim_got *ret);
/* The same of a version (empty: the current one). info (may be NULL): what the engine said, also
 * with an error. */
int sim_store_get_version(struct sim_store *s, struct lb_slice bucket, struct lb_slice key,
                          struct lb_slice version, struct sim_got *ret,
                          struct lb_object_info *ret_info);
void sim_got_fini(struct sim_got *g);
/* Is [off, off + size) the whole of this content? */
bool sim_got_is(const struct sim_got *g, uint64_t off, uint64_t content, uint64_t size);

/* All keys of a bucket in pages of `page`: calls fn for each. Returns 0 or negative. */
int sim_store_list(struct sim_store *s, struct lb_slice bucket, size_t page,
                   void (*fn)(void *ctx, const struct lb_list_entry *e), void *ctx);
/* The same with all versions. */
int sim_store_list_versions(struct sim_store *s, struct lb_slice bucket, size_t page,
                            void (*fn)(void *ctx, const struct lb_list_entry *e), void *ctx);

#endif

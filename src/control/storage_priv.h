/* The engine, for threads that may wait: a loop and a port of its own on a thread of its own, to
 * which calls are posted. On the same loop the objects of the buckets are counted (usage.c). */
#ifndef LB_CONTROL_STORAGE_PRIV_H
#define LB_CONTROL_STORAGE_PRIV_H

#include <pthread.h>

#include "control/control.h"
#include "engine/engine.h"

struct control_storage;

/* Submits op on the loop: a method of lb_engine_ops. */
typedef void (*control_storage_fn)(struct lb_engine_port *port, struct lb_engine_op *op);

/* One operation of the engine. Counted by references, since who asked may not wait for its end. */
struct control_storage_op {
    struct lb_engine_op op; /* in and out; what it borrows is in its arena */
    struct lb_arena arena;
    struct lb_io_msg msg;
    control_storage_fn fn;
    bool changes; /* a bucket or its settings: the loops are told when it is done */
    struct control_storage *storage;
    unsigned refs; /* of who asked and of the loop; under the storage's lock */
    bool done;     /* likewise */
    int err;
};

/* Starts the thread. conf is borrowed. Returns 0 and owned, or -errno. */
int control_storage_start(const struct lb_control_conf *conf, struct control_storage **ret);
/* Ends it when what it does is done; operations that come later fail with SHUTTING_DOWN. NULL is
 * allowed. Nobody may be waiting in control_storage_run. */
void control_storage_stop(struct control_storage *s);

/* An operation to fill in; owned, or NULL without memory. */
struct control_storage_op *control_storage_op_new(struct control_storage *s);
/* NULL is allowed. */
void control_storage_op_free(struct control_storage_op *o);
/* Copies a name or blob into its arena, for `op` to borrow. Empty without memory: then the run
 * fails with -ENOMEM. */
struct lb_slice control_storage_op_copy(struct control_storage_op *o, struct lb_slice s);

/* Runs it, once, and waits until deadline_ns (CLOCK_MONOTONIC) at most. Returns the engine's
 * result; -ETIMEDOUT, and then op is out of reach; SHUTTING_DOWN. */
int control_storage_run(struct control_storage_op *o, control_storage_fn fn, int64_t deadline_ns);
/* The engine's methods. */
const struct lb_engine_ops *control_storage_ops(const struct control_storage *s);

/* usage.c */

/* Counts, on a loop, round after round, what the buckets hold. */
struct control_usage;
/* Starts the rounds. Borrowed; on the loop. Returns owned, or NULL without memory. */
struct control_usage *control_usage_start(const struct lb_control_conf *conf,
                                          struct lb_engine_port *port);
/* Ends them: calls stopped(ctx) on the loop, later, when nothing is in flight. NULL is allowed, and
 * calls at once. */
void control_usage_stop(struct control_usage *u, void (*stopped)(void *ctx), void *ctx);
void control_usage_free(struct control_usage *u);

#endif

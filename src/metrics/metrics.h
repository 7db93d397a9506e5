/* What the server counts. Each loop has counters of its own, which it alone writes, without locks
 * and on cache lines of its own; any thread reads them at any time and adds them up. */
#ifndef LB_METRICS_METRICS_H
#define LB_METRICS_METRICS_H

#include <stdbool.h>
#include <stddef.h>

#include "metrics/histogram.h"

#define LB_METRICS_OPS_MAX 128     /* operations, with LB_METRICS_NO_OP */
#define LB_METRICS_STATUSES_MAX 40 /* HTTP statuses that are told apart; the rest is one more */
#define LB_METRICS_LINE 64         /* bytes of a cache line */

/* What a request is counted under that was refused before its operation was known: a malformed
 * head, a failed authentication, no such operation. Its name is "none". */
#define LB_METRICS_NO_OP 0u

/* Why a request was not accepted as its sender's. */
enum lb_auth_failure {
#define LB_AUTH_FAILURE(name, reason) LB_AUTH_FAILURE_##name,
#include "metrics/auth_failures.def"
#undef LB_AUTH_FAILURE
    LB_AUTH_FAILURES,
};

/* The reason as a word ("signature"). Static. */
const char *lb_auth_failure_name(enum lb_auth_failure f);
/* The reason that an error of base/err.h stands for; LB_AUTH_FAILURES when it is no failure of
 * authentication. A new error for one gets its line there. */
enum lb_auth_failure lb_auth_failure_of(int err);

/* One operation on one loop. */
struct lb_op_metrics {
    struct lb_counter status[LB_METRICS_STATUSES_MAX + 1];
    struct lb_counter bytes_in, bytes_out; /* of bodies, without HTTP's framing */
    struct lb_histogram first_byte;        /* until the response's head is sent */
    struct lb_histogram whole;             /* until its last byte is sent */
};

/* What a loop counts. Its thread writes, and no other. */
struct lb_loop_metrics {
    /* gauges: set by the loop at the end of each of its turns */
    _Alignas(LB_METRICS_LINE) struct lb_counter connections; /* open */
    struct lb_counter in_flight;                             /* requests being answered */
    struct lb_counter pool_used; /* bytes of pool buffers that are out */
    struct lb_counter pool_held; /* bytes of the pool's regions */
    struct lb_counter pool_max;  /* bytes the pool may hold */
    /* counters */
    struct lb_counter accepted; /* connections */
    struct lb_counter refused;  /* of them, those answered 503 for there being too many */
    struct lb_counter slow;     /* requests logged as slow */
    struct lb_counter auth_failures[LB_AUTH_FAILURES];
    struct lb_op_metrics ops[LB_METRICS_OPS_MAX];
};

/* A request that has ended, for lb_metrics_request. */
struct lb_request_metrics {
    unsigned op;                  /* LB_METRICS_NO_OP, or 1 + its place in the names */
    int status;                   /* HTTP status answered */
    int err;                      /* the error answered, or 0 */
    uint64_t bytes_in, bytes_out; /* of bodies */
    uint64_t first_byte_ns;       /* from the head's first byte in to the response's first out */
    uint64_t whole_ns;            /* ... to the response's last */
};

/* Counts a request. On the loop's thread; a handful of relaxed stores. */
void lb_metrics_request(struct lb_loop_metrics *l, const struct lb_request_metrics *r);

/* How the server as a whole is, for health checks. */
enum lb_server_state { LB_SERVER_STARTING, LB_SERVER_SERVING, LB_SERVER_DRAINING };

struct lb_metrics {
    unsigned loops_n;
    struct lb_loop_metrics *loops;            /* owned */
    const char *op_names[LB_METRICS_OPS_MAX]; /* borrowed; [0] is "none" */
    size_t ops_n;                             /* with [0] */
    int64_t started_ns;                       /* time of day, nanoseconds since 1970 */
    atomic_int state;                         /* enum lb_server_state */
};

/* Counters for loops_n loops. op_names: static, ops_n of them (those that would be more than
 * LB_METRICS_OPS_MAX - 1 are counted as "none"); a name may come twice: then its counts are added
 * up. started_ns: the time of day. Returns owned, or NULL without memory. */
struct lb_metrics *lb_metrics_new(unsigned loops_n, const char *const *op_names, size_t ops_n,
                                  int64_t started_ns);
/* No thread may still write. NULL is allowed. */
void lb_metrics_free(struct lb_metrics *m);

/* Any thread. */
void lb_metrics_set_state(struct lb_metrics *m, enum lb_server_state state);
enum lb_server_state lb_metrics_state(const struct lb_metrics *m);

/* ---- reading; any thread, all loops together ---- */

/* An operation. */
struct lb_op_sum {
    const char *name;                             /* borrowed from the names */
    uint64_t status[LB_METRICS_STATUSES_MAX + 1]; /* by lb_metrics_status */
    uint64_t requests;                            /* all of them */
    uint64_t client_errors;                       /* 400 to 499 */
    uint64_t server_errors;                       /* 500 and more */
    uint64_t bytes_in, bytes_out;
    struct lb_histogram_sum first_byte, whole;
};

/* Sums up operation i of 0 .. m->ops_n - 1. Returns false, with *ret untouched, for the second and
 * later places of a name: its counts are with the first. */
bool lb_metrics_op(const struct lb_metrics *m, size_t i, struct lb_op_sum *ret);

/* The HTTP status that place i of lb_op_sum.status counts; 0 for those that are not told apart. */
int lb_metrics_status(size_t i);

/* Everything but the operations. */
struct lb_metrics_sum {
    uint64_t connections, in_flight;
    uint64_t pool_used, pool_held, pool_max; /* bytes */
    uint64_t accepted, refused, slow;
    uint64_t auth_failures[LB_AUTH_FAILURES];
};

void lb_metrics_sum(const struct lb_metrics *m, struct lb_metrics_sum *ret);

#endif

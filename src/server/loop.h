/* One thread that serves: an I/O loop with its own listener, buffer pool, hash service, engine port
 * and S3 service. */
#ifndef LB_SERVER_LOOP_H
#define LB_SERVER_LOOP_H

#include <pthread.h>
#include <sys/socket.h>

#include "s3/s3.h"
#include "server/listener.h"

/* What the loops share; borrowed, read-only while they run. */
struct lb_loop_conf {
    struct lb_engine *engine;
    struct lb_vfs *vfs;
    struct lb_workers *workers;
    const struct lb_s3_conf *s3;
    struct lb_tls *tls;
    enum lb_io_backend backend;
    size_t pool_size;
    struct lb_budget *budget; /* of memory for requests, beside the pools; NULL: no bound */
    unsigned idle_timeout_s;
    size_t connections_max; /* of this loop */
    bool access_log;
    unsigned slow_ms; /* requests that take longer are logged; 0: none */
    int inherited_fd; /* a listening socket from the service manager, or -1 */
    struct sockaddr_storage address;
    socklen_t address_len;
};

struct lb_loop {
    const struct lb_loop_conf *conf;
    int core; /* to pin to, or -1 */
    pthread_t thread;
    struct lb_io *io;
    struct lb_pool *pool;
    struct lb_hash_service *hash;
    struct lb_engine_port *port;
    struct lb_s3 *s3;
    struct lb_loop_metrics *metrics; /* borrowed; NULL: nothing is counted */
    struct lb_conns conns;
    struct lb_listener listener;
    bool stopping;
    bool joined; /* the thread is gone; for who started it */
    struct lb_io_msg drain_msg, abort_msg;

    pthread_mutex_t lock; /* of the following */
    pthread_cond_t changed;
    enum { LB_LOOP_STARTING, LB_LOOP_RUNNING, LB_LOOP_ENDING, LB_LOOP_ENDED } state;
    int err; /* why it did not start */
};

/* Starts the thread and waits until it listens. metrics: where it counts, borrowed. Returns 0; or
 * -errno when it could not, and nothing is left of it. */
int lb_loop_start(struct lb_loop *l, const struct lb_loop_conf *conf,
                  struct lb_loop_metrics *metrics, int core);

/* Any thread, once. Asks the loop to stop accepting and to end when its last connection has. */
void lb_loop_drain(struct lb_loop *l);
/* Any thread, once. Asks it to break off what still waits for clients. */
void lb_loop_abort(struct lb_loop *l);
/* Any thread. For what comes from now on: the idle timeout, and how many connections of this loop
 * may be open. */
void lb_loop_set_limits(struct lb_loop *l, unsigned idle_timeout_s, size_t connections_max);
/* Any thread. Switches the access log. */
void lb_loop_set_access_log(struct lb_loop *l, bool on);
/* Any thread. Sets from when on a request is slow; 0: none is. */
void lb_loop_set_slow(struct lb_loop *l, unsigned slow_ms);
/* Waits for the thread to end, at most until that time (CLOCK_MONOTONIC). Returns 0 (it is joined
 * and freed, now or by an earlier call), or -ETIMEDOUT. */
int lb_loop_join(struct lb_loop *l, const struct timespec *until);

/* Makes the parts of a loop on the calling thread, around an io that is given (the simulator's, or
 * a real one). l: zeroed. Returns 0 or -errno; lb_loop_fini in either case. */
int lb_loop_init(struct lb_loop *l, const struct lb_loop_conf *conf, struct lb_io *io);
void lb_loop_fini(struct lb_loop *l);

#endif

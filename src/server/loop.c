#include "server/loop.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"

/* Ends the loop when it is asked to and nothing is left. */
static void stop_if_done(struct lb_loop *l) {
    if (l->stopping && l->listener.fd < 0 && l->conns.n == 0)
        lb_io_stop(l->io);
}

static void on_listener_closed(struct lb_listener *li) {
    stop_if_done(LB_CONTAINER_OF(li, struct lb_loop, listener));
}

static void on_closed(struct lb_conns *cs) {
    stop_if_done(LB_CONTAINER_OF(cs, struct lb_loop, conns));
}

/* At the end of a turn: shows others what the loop alone may look at. */
static bool publish(void *ctx) {
    struct lb_loop *l = ctx;
    lb_counter_set(&l->metrics->connections, l->conns.n);
    lb_counter_set(&l->metrics->in_flight, l->conns.in_flight);
    lb_counter_set(&l->metrics->pool_used, lb_pool_used(l->pool));
    lb_counter_set(&l->metrics->pool_held, lb_pool_held(l->pool));
    return false;
}

int lb_loop_init(struct lb_loop *l, const struct lb_loop_conf *conf, struct lb_io *io) {
    l->conf = conf;
    l->io = io;
    l->listener.fd = -1;
    l->pool = lb_pool_new(conf->pool_size);
    l->hash = lb_hash_service_new(LB_MD5_AUTO);
    if (!l->pool || !l->hash)
        return -ENOMEM;
    lb_io_tick_add(io, lb_hash_service_tick, l->hash);
    if (l->metrics)
        lb_io_tick_add(io, publish, l);
    int err = conf->engine->ops->attach(conf->engine, io, l->pool, &l->port);
    if (err < 0)
        return err;
    l->s3 = lb_s3_new(conf->s3, l->port, l->hash);
    if (!l->s3)
        return -ENOMEM;
    l->conns = (struct lb_conns){
        .io = io,
        .pool = l->pool,
        .budget = conf->budget,
        .handler = lb_s3_handle,
        .handler_ctx = l->s3,
        .tls = conf->tls,
        .idle_timeout_ms = conf->idle_timeout_s * 1000,
        .access_log = conf->access_log,
        .slow_ms = conf->slow_ms,
        .metrics = l->metrics,
        .n_max = conf->connections_max,
        .closed = on_closed,
    };
    lb_list_init(&l->conns.list);
    if (l->metrics)
        lb_counter_set(&l->metrics->pool_max, conf->pool_size);
    int fd = conf->inherited_fd >= 0 ? dup(conf->inherited_fd)
                                     : lb_io_listen(io, (const struct sockaddr *)&conf->address,
                                                    conf->address_len, true);
    if (fd < 0)
        return conf->inherited_fd >= 0 ? -errno : fd;
    lb_listener_start(&l->listener, &l->conns, fd, on_listener_closed);
    return 0;
}

void lb_loop_fini(struct lb_loop *l) {
    lb_s3_free(l->s3);
    if (l->port)
        l->port->ops->detach(l->port);
    lb_hash_service_free(l->hash);
    if (l->pool)
        lb_pool_free(l->pool);
}

static void set_state(struct lb_loop *l, int state, int err) {
    pthread_mutex_lock(&l->lock);
    l->state = state;
    l->err = err;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

static void pin(int core) {
    cpu_set_t set;
    if (core < 0)
        return;
    CPU_ZERO(&set);
    CPU_SET((unsigned)core, &set);
    if (sched_setaffinity(0, sizeof(set), &set) < 0)
        lb_warn("cannot pin a thread", LB_LOG_I("core", core), LB_LOG_C("err", strerror(errno)));
}

static void *run(void *arg) {
    struct lb_loop *l = arg;
    const struct lb_io_conf io_conf = {
        .backend = l->conf->backend, .workers = l->conf->workers, .vfs = l->conf->vfs};
    struct lb_io *io = NULL;
    pin(l->core);
    int err = lb_io_new(&io_conf, &io);
    if (err == 0)
        err = lb_loop_init(l, l->conf, io);
    if (err == 0) {
        set_state(l, LB_LOOP_RUNNING, 0);
        if (lb_io_run(io) < 0) {
            lb_error("an I/O loop has failed"); /* its clients would hang, and writers be cut off */
            abort();
        }
        set_state(l, LB_LOOP_ENDING, 0);
    }
    lb_loop_fini(l);
    lb_io_free(io);
    set_state(l, LB_LOOP_ENDED, err);
    return NULL;
}

static void free_thread(struct lb_loop *l) {
    pthread_join(l->thread, NULL);
    pthread_mutex_destroy(&l->lock);
    pthread_cond_destroy(&l->changed);
    l->joined = true;
}

int lb_loop_start(struct lb_loop *l, const struct lb_loop_conf *conf,
                  struct lb_loop_metrics *metrics, int core) {
    *l =
        (struct lb_loop){.conf = conf, .core = core, .metrics = metrics, .state = LB_LOOP_STARTING};
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int err = -pthread_create(&l->thread, NULL, run, l);
    if (err < 0)
        return err;
    pthread_mutex_lock(&l->lock);
    while (l->state != LB_LOOP_RUNNING && l->state != LB_LOOP_ENDED)
        pthread_cond_wait(&l->changed, &l->lock);
    err = l->err;
    pthread_mutex_unlock(&l->lock);
    if (err < 0)
        free_thread(l);
    return err;
}

/* ---- from other threads ---- */

static void post(struct lb_loop *l, struct lb_io_msg *m,
                 void (*fn)(struct lb_io *, struct lb_io_msg *)) {
    pthread_mutex_lock(&l->lock);
    m->fn = fn;
    if (l->state == LB_LOOP_RUNNING)
        lb_io_post(l->io, m);
    pthread_mutex_unlock(&l->lock);
}

static void drain(struct lb_io *io, struct lb_io_msg *m) {
    struct lb_loop *l = LB_CONTAINER_OF(m, struct lb_loop, drain_msg);
    l->stopping = true;
    lb_listener_close(&l->listener);
    lb_conns_drain(&l->conns);
}

static void break_off(struct lb_io *io, struct lb_io_msg *m) {
    lb_conns_abort(&LB_CONTAINER_OF(m, struct lb_loop, abort_msg)->conns);
}

void lb_loop_drain(struct lb_loop *l) {
    post(l, &l->drain_msg, drain);
}

void lb_loop_abort(struct lb_loop *l) {
    post(l, &l->abort_msg, break_off);
}

void lb_loop_set_limits(struct lb_loop *l, unsigned idle_timeout_s, size_t connections_max) {
    atomic_store(&l->conns.idle_timeout_ms, idle_timeout_s * 1000);
    atomic_store(&l->conns.n_max, connections_max);
}

void lb_loop_set_access_log(struct lb_loop *l, bool on) {
    atomic_store(&l->conns.access_log, on);
}

void lb_loop_set_slow(struct lb_loop *l, unsigned slow_ms) {
    atomic_store(&l->conns.slow_ms, slow_ms);
}

int lb_loop_join(struct lb_loop *l, const struct timespec *until) {
    int err = 0;
    if (l->joined)
        return 0;
    pthread_mutex_lock(&l->lock);
    while (l->state != LB_LOOP_ENDED && err == 0)
        err = pthread_cond_timedwait(&l->changed, &l->lock, until);
    bool ended = l->state == LB_LOOP_ENDED;
    pthread_mutex_unlock(&l->lock);
    if (!ended)
        return -ETIMEDOUT;
    free_thread(l);
    return 0;
}

#include "control/storage_priv.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "control/call_priv.h"
#include "s3/bucket_settings.h"

#define POOL_MAX (4u << 20)
#define OP_MEMORY_MAX (16u << 20) /* bytes of one operation's names and results */

struct control_storage {
    const struct lb_control_conf *conf;
    pthread_t thread;
    struct lb_io *io;
    struct lb_pool *pool;
    struct lb_engine_port *port;
    struct control_usage *usage;
    struct lb_io_msg stop_msg;
    bool stopping; /* on the loop */
    bool counting; /* on the loop: the usage has not come to its end */
    unsigned ops;  /* on the loop: in flight */

    pthread_mutex_t lock; /* of the following, and of references to operations */
    pthread_cond_t changed;
    enum { STARTING, RUNNING, ENDING, FAILED } state;
    int err;
};

/* ---- on the loop ---- */

static void stop_if_done(struct control_storage *s) {
    if (s->stopping && !s->counting && s->ops == 0)
        lb_io_stop(s->io);
}

static void on_usage_stopped(void *ctx) {
    struct control_storage *s = ctx;
    s->counting = false;
    stop_if_done(s);
}

static void on_stop(struct lb_io *io, struct lb_io_msg *m) {
    struct control_storage *s = LB_CONTAINER_OF(m, struct control_storage, stop_msg);
    s->stopping = true;
    s->counting = true;
    control_usage_stop(s->usage, on_usage_stopped, s);
}

static void op_unref(struct control_storage_op *o) {
    struct control_storage *s = o->storage;
    pthread_mutex_lock(&s->lock);
    bool last = --o->refs == 0;
    pthread_mutex_unlock(&s->lock);
    if (!last)
        return;
    lb_arena_fini(&o->arena);
    free(o);
}

static void on_done(struct lb_engine_op *op, int err) {
    struct control_storage_op *o = LB_CONTAINER_OF(op, struct control_storage_op, op);
    struct control_storage *s = o->storage;
    if (o->changes)
        lb_s3_buckets_changed(s->conf->buckets);
    pthread_mutex_lock(&s->lock);
    o->done = true;
    o->err = err;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    s->ops--;
    op_unref(o);
    stop_if_done(s);
}

static void on_op(struct lb_io *io, struct lb_io_msg *m) {
    struct control_storage_op *o = LB_CONTAINER_OF(m, struct control_storage_op, msg);
    o->storage->ops++;
    o->op.done = on_done;
    o->op.arena = &o->arena;
    o->fn(o->storage->port, &o->op);
}

static void set_state(struct control_storage *s, int state, int err) {
    pthread_mutex_lock(&s->lock);
    s->state = state;
    s->err = err;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static int begin(struct control_storage *s) {
    struct lb_engine *e = s->conf->engine;
    s->pool = lb_pool_new(POOL_MAX);
    int err = s->pool ? lb_io_new(&s->conf->io, &s->io) : -ENOMEM;
    if (err == 0)
        err = e->ops->attach(e, s->io, s->pool, &s->port);
    if (err == 0 && s->conf->usage_interval_s) {
        s->usage = control_usage_start(s->conf, s->port);
        err = s->usage ? 0 : -ENOMEM;
    }
    return err;
}

static void *run(void *arg) {
    struct control_storage *s = arg;
    int err = begin(s);
    if (err == 0) {
        set_state(s, RUNNING, 0);
        if (lb_io_run(s->io) < 0) {
            lb_error("the control plane's I/O loop has failed"); /* callers would hang */
            abort();
        }
        set_state(s, ENDING, 0); /* whoever has posted to the loop has left it: it holds the lock */
    }
    control_usage_free(s->usage);
    if (s->port)
        s->port->ops->detach(s->port);
    lb_io_free(s->io);
    if (s->pool)
        lb_pool_free(s->pool);
    if (err < 0)
        set_state(s, FAILED, err);
    return NULL;
}

/* ---- from other threads ---- */

static void storage_free(struct control_storage *s) {
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
    free(s);
}

int control_storage_start(const struct lb_control_conf *conf, struct control_storage **ret) {
    struct control_storage *s = calloc(1, sizeof(*s));
    pthread_condattr_t monotonic;
    if (!s)
        return -ENOMEM;
    s->conf = conf;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int err = -pthread_create(&s->thread, NULL, run, s);
    if (err == 0) {
        pthread_mutex_lock(&s->lock);
        while (s->state == STARTING)
            pthread_cond_wait(&s->changed, &s->lock);
        err = s->err;
        pthread_mutex_unlock(&s->lock);
        if (err < 0)
            pthread_join(s->thread, NULL);
    }
    if (err < 0) {
        storage_free(s);
        return err;
    }
    *ret = s;
    return 0;
}

void control_storage_stop(struct control_storage *s) {
    if (!s)
        return;
    s->stop_msg.fn = on_stop;
    pthread_mutex_lock(&s->lock);
    s->state = ENDING;
    lb_io_post(s->io, &s->stop_msg);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    storage_free(s);
}

struct control_storage_op *control_storage_op_new(struct control_storage *s) {
    struct control_storage_op *o = calloc(1, sizeof(*o));
    if (!o)
        return NULL;
    o->storage = s;
    o->refs = 1;
    lb_arena_init(&o->arena, OP_MEMORY_MAX);
    return o;
}

void control_storage_op_free(struct control_storage_op *o) {
    if (o)
        op_unref(o);
}

struct lb_slice control_storage_op_copy(struct control_storage_op *o, struct lb_slice s) {
    struct lb_slice copy = LB_S("");
    if (lb_arena_copy(&o->arena, s, &copy) < 0)
        o->err = -ENOMEM;
    return copy;
}

int control_storage_run(struct control_storage_op *o, control_storage_fn fn, int64_t deadline_ns) {
    struct control_storage *s = o->storage;
    const struct timespec until = {deadline_ns / 1000000000, deadline_ns % 1000000000};
    int waited = 0;
    if (o->err < 0)
        return o->err;
    if (deadline_ns <= control_now_ns())
        return -ETIMEDOUT;
    o->fn = fn;
    o->msg.fn = on_op;
    pthread_mutex_lock(&s->lock);
    if (s->state != RUNNING) {
        pthread_mutex_unlock(&s->lock);
        return LB_ERR_SHUTTING_DOWN;
    }
    o->refs++;
    lb_io_post(s->io, &o->msg);
    while (!o->done && waited == 0)
        waited = pthread_cond_timedwait(&s->changed, &s->lock, &until);
    int err = o->done ? o->err : -ETIMEDOUT;
    pthread_mutex_unlock(&s->lock);
    return err;
}

const struct lb_engine_ops *control_storage_ops(const struct control_storage *s) {
    return s->conf->engine->ops;
}

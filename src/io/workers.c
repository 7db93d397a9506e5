/* The worker threads: one queue, a lock and a condition for all of them.
 *
 * A loop hands over what a turn has gathered in one go and wakes at most one thread; a thread that
 * leaves items behind wakes the next. So few items keep few threads busy and many items spread.
 * Under load a thread takes several at a time and wakes their loop once, at the end. */
#include "io/io_priv.h"

#include <pthread.h>
#include <signal.h>

#define BATCH_MAX 16u

/* A loop that waits is not kept from a finished item longer than this plus one item. */
#define WAKE_AFTER_NS 250000u

struct lb_workers {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct lb_list queue;
    size_t queued;
    unsigned idle;
    bool closing;
    unsigned n;
    pthread_t threads[];
};

static int64_t file_run(struct lb_io_op *op) {
    struct lb_vfs *vfs = op->io->vfs;
    switch (op->kind) {
    case LB_IO_READ:
        return vfs->ops->pread(vfs, op->fd, op->ptr, op->len, op->off);
    case LB_IO_WRITE:
        return vfs->ops->pwrite(vfs, op->fd, op->ptr, op->len, op->off);
    default:
        return vfs->ops->fsync(vfs, op->fd, op->flags & LB_OP_DATA_ONLY);
    }
}

static void batch_run(struct lb_io_op **ops, unsigned n) {
    struct lb_io *loops[BATCH_MAX];
    unsigned told = 0; /* loops[told..i] have something new and were not woken */
    uint64_t since_ns = n > 1 ? lb_sys_now_ns(NULL) : 0;
    for (unsigned i = 0; i < n; i++) {
        struct lb_io_op *op = ops[i];
        loops[i] = op->io;
        op->res = op->kind == LB_IO_WORK ? op->work(op) : file_run(op);
        lb_io_worked(loops[i], op);
        uint64_t now_ns = n > 1 ? lb_sys_now_ns(NULL) : 0;
        if (i + 1 < n && now_ns - since_ns < WAKE_AFTER_NS)
            continue;
        since_ns = now_ns;
        for (; told <= i; told++) {
            /* A loop on this CPU runs as soon as it is woken: once for all that it has to fetch. */
            if (atomic_load(&loops[told]->worked))
                lb_io_wake(loops[told]);
            atomic_fetch_sub(&loops[told]->at_workers, 1);
        }
    }
}

/* Takes a batch off the queue, with the lock held. A share of what is there, so that the other
 * threads get as much to do. */
static unsigned batch_take(struct lb_workers *w, struct lb_io_op **ops) {
    size_t n = w->queued / (2 * (size_t)w->n) + 1;
    if (n > BATCH_MAX)
        n = BATCH_MAX;
    for (size_t i = 0; i < n; i++)
        ops[i] = LB_CONTAINER_OF(lb_list_pop(&w->queue), struct lb_io_op, link);
    w->queued -= n;
    return (unsigned)n;
}

static void *worker_main(void *arg) {
    struct lb_workers *w = arg;
    struct lb_io_op *ops[BATCH_MAX];
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (w->queued == 0 && !w->closing) {
            w->idle++;
            pthread_cond_wait(&w->more, &w->lock);
            w->idle--;
        }
        if (w->queued == 0)
            break;
        unsigned n = batch_take(w, ops);
        if (w->queued > 0 && w->idle > 0)
            pthread_cond_signal(&w->more);
        pthread_mutex_unlock(&w->lock);
        batch_run(ops, n);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

int lb_workers_new(unsigned n, struct lb_workers **ret) {
    if (n == 0)
        return -EINVAL;
    struct lb_workers *w = calloc(1, sizeof(*w) + n * sizeof(w->threads[0]));
    if (!w)
        return -ENOMEM;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->more, NULL);
    lb_list_init(&w->queue);
    /* Signals are for the threads that ask for them. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = 0;
    while (w->n < n && (err = pthread_create(&w->threads[w->n], NULL, worker_main, w)) == 0)
        w->n++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (err) {
        lb_workers_free(w);
        return -err;
    }
    *ret = w;
    return 0;
}

void lb_workers_free(struct lb_workers *w) {
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->closing = true;
    pthread_cond_broadcast(&w->more);
    pthread_mutex_unlock(&w->lock);
    for (unsigned i = 0; i < w->n; i++)
        pthread_join(w->threads[i], NULL);
    assert(w->queued == 0);
    pthread_cond_destroy(&w->more);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

void lb_io_to_workers(struct lb_io *io, struct lb_io_op *op) {
    assert(io->workers);
    lb_list_append(&io->work, &op->link);
}

void lb_workers_submit(struct lb_workers *w, struct lb_io *io) {
    size_t n = 0;
    pthread_mutex_lock(&w->lock);
    for (struct lb_list *node; (node = lb_list_pop(&io->work)); n++) {
        LB_CONTAINER_OF(node, struct lb_io_op, link)->flags |= LB_OP_SHARED;
        lb_list_append(&w->queue, node);
    }
    atomic_fetch_add(&io->at_workers, n);
    w->queued += n;
    bool wake = w->idle > 0;
    pthread_mutex_unlock(&w->lock);
    if (wake)
        pthread_cond_signal(&w->more);
}

bool lb_io_from_workers(struct lb_io *io, struct lb_io_op *op) {
    struct lb_workers *w = io->workers;
    if (!(op->flags & LB_OP_SHARED)) {
        lb_list_remove(&op->link);
        return true;
    }
    pthread_mutex_lock(&w->lock);
    /* A thread that takes an item unlinks it. */
    bool waiting = !lb_list_empty(&op->link);
    if (waiting) {
        lb_list_remove(&op->link);
        w->queued--;
        atomic_fetch_sub(&io->at_workers, 1);
    }
    pthread_mutex_unlock(&w->lock);
    return waiting;
}

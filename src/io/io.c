/* What all back ends share: the ready queue, the mailbox, the turn of the loop, and the calls of
 * io.h. A callback runs only from lb_io_turn.
 *
 * Other threads reach a loop through two stacks (messages, and operations back from the workers).
 * Whoever pushes wakes the loop only if it is asleep, and clears that mark in doing so: a loop is
 * woken at most once for each wait, however much arrives. */
#include "io/io_priv.h"

#include <sched.h>
#include <signal.h>

#include "base/err.h"
#include "base/log.h"
#include "base/prng.h"

/* How often a turn runs what its own callbacks have made ready, before it looks outside again. */
#define ROUNDS_MAX 16

uint64_t lb_sys_now_ns(struct lb_io *io) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int64_t lb_sys_wall_ns(struct lb_io *io) {
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void lb_sys_random(struct lb_io *io, void *ret, size_t n) {
    lb_random_bytes(ret, n);
}

void lb_io_init(struct lb_io *io, const struct lb_io_ops *ops, const struct lb_io_conf *conf) {
    *io = (struct lb_io){.ops = ops, .vfs = conf->vfs, .workers = conf->workers};
    lb_list_init(&io->ready);
    lb_list_init(&io->again);
    lb_list_init(&io->work);
    io->now_ns = ops->now_ns(io);
    io->wall_ns = ops->wall_ns(io);
}

void lb_io_fini(struct lb_io *io) {
    assert(io->in_flight == 0);
    /* The last of a batch of workers may be on its way out of lb_io_wake. */
    while (atomic_load(&io->at_workers) > 0)
        sched_yield();
    free(io->timers);
    io->timers = NULL;
}

int lb_io_new(const struct lb_io_conf *conf, struct lb_io **ret) {
    sigset_t pipe_signal;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    /* sendfile(2) knows no MSG_NOSIGNAL. */
    pthread_sigmask(SIG_BLOCK, &pipe_signal, NULL);
    if (conf->backend == LB_IO_POSIX)
        return lb_io_posix_new(conf, ret);
    int rc = lb_io_uring_new(conf, ret);
    if (rc == 0 || conf->backend == LB_IO_URING)
        return rc;
    lb_warn("io_uring is not available, using epoll", LB_LOG_C("reason", lb_err_name(rc)));
    return lb_io_posix_new(conf, ret);
}

void lb_io_free(struct lb_io *io) {
    if (io)
        io->ops->free(io);
}

const char *lb_io_name(const struct lb_io *io) {
    return io->ops->name;
}

struct lb_vfs *lb_io_vfs(const struct lb_io *io) {
    return io->vfs;
}

uint64_t lb_io_now_ns(const struct lb_io *io) {
    return io->now_ns;
}

uint64_t lb_io_clock_ns(struct lb_io *io) {
    return io->ops->now_ns(io);
}

int64_t lb_io_wall_ns(const struct lb_io *io) {
    return io->wall_ns;
}

void lb_io_random(struct lb_io *io, void *ret, size_t n) {
    io->ops->random(io, ret, n);
}

void lb_io_tick_add(struct lb_io *io, bool (*fn)(void *ctx), void *ctx) {
    assert(io->ticks_n < LB_IO_TICKS_MAX);
    io->ticks[io->ticks_n++] = (struct lb_io_tick){fn, ctx};
}

/* Completions. */

void lb_io_complete(struct lb_io *io, struct lb_io_op *op, int64_t res) {
    assert(op->kind != LB_IO_IDLE && !(op->flags & (LB_OP_READY | LB_OP_AGAIN)));
    op->res = res;
    op->flags |= LB_OP_READY;
    lb_list_append(&io->ready, &op->link);
}

void lb_io_again(struct lb_io *io, struct lb_io_op *op) {
    op->flags |= LB_OP_AGAIN;
    lb_list_append(&io->again, &op->link);
}

/* Moves all nodes of `from` to the empty `to`. */
static void list_take(struct lb_list *from, struct lb_list *to) {
    lb_list_init(to);
    if (lb_list_empty(from))
        return;
    *to = *from;
    to->next->prev = to;
    to->prev->next = to;
    lb_list_init(from);
}

static void again_run(struct lb_io *io) {
    struct lb_list batch;
    list_take(&io->again, &batch);
    for (struct lb_list *node; (node = lb_list_pop(&batch));) {
        struct lb_io_op *op = LB_CONTAINER_OF(node, struct lb_io_op, link);
        op->flags &= ~(unsigned)LB_OP_AGAIN;
        io->ops->submit(io, op);
    }
}

static void ready_run(struct lb_io *io) {
    for (int round = 0; round < ROUNDS_MAX && !lb_list_empty(&io->ready); round++) {
        struct lb_list batch;
        list_take(&io->ready, &batch);
        for (struct lb_list *node; (node = lb_list_pop(&batch));) {
            struct lb_io_op *op = LB_CONTAINER_OF(node, struct lb_io_op, link);
            op->flags = 0;
            op->kind = LB_IO_IDLE;
            io->in_flight--;
            op->done(op, op->res);
        }
    }
}

/* Other threads. */

void lb_io_wake(struct lb_io *io) {
    if (atomic_exchange(&io->asleep, false))
        io->ops->wake(io);
}

void lb_io_post(struct lb_io *io, struct lb_io_msg *m) {
    m->next = atomic_load(&io->mail);
    while (!atomic_compare_exchange_weak(&io->mail, &m->next, m))
        ;
    lb_io_wake(io);
}

void lb_io_worked(struct lb_io *io, struct lb_io_op *op) {
    op->next = atomic_load(&io->worked);
    while (!atomic_compare_exchange_weak(&io->worked, &op->next, op))
        ;
}

void lb_io_stop(struct lb_io *io) {
    atomic_store(&io->stopping, true);
    lb_io_wake(io);
}

static void worked_run(struct lb_io *io) {
    struct lb_io_op *newest = atomic_exchange(&io->worked, NULL), *oldest = NULL;
    while (newest) {
        struct lb_io_op *op = newest;
        newest = op->next;
        op->next = oldest;
        oldest = op;
    }
    while (oldest) {
        struct lb_io_op *op = oldest;
        oldest = op->next;
        lb_io_complete(io, op, op->res);
    }
}

static void mail_run(struct lb_io *io) {
    struct lb_io_msg *newest = atomic_exchange(&io->mail, NULL), *oldest = NULL;
    while (newest) {
        struct lb_io_msg *m = newest;
        newest = m->next;
        m->next = oldest;
        oldest = m;
    }
    while (oldest) {
        struct lb_io_msg *m = oldest;
        oldest = m->next;
        m->fn(io, m);
    }
}

/* The turn. */

static uint64_t timers_wait_ns(const struct lb_io *io) {
    if (io->timers_n == 0)
        return UINT64_MAX;
    uint64_t at_ns = io->timers[1]->at_ns;
    return at_ns > io->now_ns ? at_ns - io->now_ns : 0;
}

/* Marks the loop as asleep and says how long it may wait. The mark comes first: what is pushed
 * after the look at the stacks finds it and wakes. */
static uint64_t sleep_begin(struct lb_io *io, uint64_t timeout_ns) {
    if (io->ticking || !lb_list_empty(&io->ready) || !lb_list_empty(&io->again))
        return 0;
    atomic_store(&io->asleep, true);
    if (atomic_load(&io->mail) || atomic_load(&io->worked) || atomic_load(&io->stopping)) {
        atomic_store(&io->asleep, false);
        return 0;
    }
    uint64_t timers_ns = timers_wait_ns(io);
    return timers_ns < timeout_ns ? timers_ns : timeout_ns;
}

int lb_io_turn(struct lb_io *io, uint64_t timeout_ns) {
    if (!lb_list_empty(&io->work))
        lb_workers_submit(io->workers, io);
    int rc = io->ops->wait(io, sleep_begin(io, timeout_ns));
    atomic_store(&io->asleep, false);
    if (rc < 0)
        return rc;
    io->now_ns = io->ops->now_ns(io);
    io->wall_ns = io->ops->wall_ns(io);
    again_run(io);
    worked_run(io);
    mail_run(io);
    lb_io_timers_run(io);
    ready_run(io);
    io->ticking = false;
    for (unsigned i = 0; i < io->ticks_n; i++)
        io->ticking |= io->ticks[i].fn(io->ticks[i].ctx);
    return 0;
}

int lb_io_run(struct lb_io *io) {
    int rc = 0;
    while (rc == 0 && !atomic_exchange(&io->stopping, false))
        rc = lb_io_turn(io, UINT64_MAX);
    return rc;
}

/* Submission. */

static void op_begin(struct lb_io *io, struct lb_io_op *op, enum lb_io_kind kind, int fd) {
    assert(op->kind == LB_IO_IDLE && op->done);
    op->kind = kind;
    op->io = io;
    op->fd = fd;
    op->fd2 = -1;
    op->flags = 0;
    op->canceled = false;
    op->res = 0;
    lb_list_init(&op->link);
    io->in_flight++;
}

static void op_buffer(struct lb_io_op *op, void *ptr, size_t len, uint64_t off) {
    op->ptr = ptr;
    op->len = len;
    op->off = off;
}

void lb_io_defer(struct lb_io *io, struct lb_io_op *op, int64_t res) {
    op_begin(io, op, LB_IO_DEFER, -1);
    lb_io_complete(io, op, res);
}

void lb_io_accept(struct lb_io *io, struct lb_io_op *op, int listen_fd) {
    op_begin(io, op, LB_IO_ACCEPT, listen_fd);
    io->ops->submit(io, op);
}

void lb_io_recv(struct lb_io *io, struct lb_io_op *op, int fd, void *buf, size_t len) {
    op_begin(io, op, LB_IO_RECV, fd);
    op_buffer(op, buf, len, 0);
    io->ops->submit(io, op);
}

void lb_io_send(struct lb_io *io, struct lb_io_op *op, int fd, const void *buf, size_t len,
                bool more) {
    op_begin(io, op, LB_IO_SEND, fd);
    op_buffer(op, (void *)buf, len, 0);
    op->flags |= more ? LB_OP_MORE : 0;
    io->ops->submit(io, op);
}

uint64_t lb_io_sent(const struct lb_io_op *op) {
    bool sending = op->kind == LB_IO_SEND || op->kind == LB_IO_SENDFILE;
    return sending && op->res > 0 ? (uint64_t)op->res : 0;
}

void lb_io_sendfile(struct lb_io *io, struct lb_io_op *op, int fd, int file_fd, uint64_t off,
                    size_t len) {
    op_begin(io, op, LB_IO_SENDFILE, fd);
    op_buffer(op, NULL, len, off);
    op->fd2 = file_fd;
    io->ops->submit(io, op);
}

void lb_io_read(struct lb_io *io, struct lb_io_op *op, int fd, void *buf, size_t len,
                uint64_t off) {
    op_begin(io, op, LB_IO_READ, fd);
    op_buffer(op, buf, len, off);
    io->ops->submit(io, op);
}

void lb_io_write(struct lb_io *io, struct lb_io_op *op, int fd, const void *buf, size_t len,
                 uint64_t off) {
    op_begin(io, op, LB_IO_WRITE, fd);
    op_buffer(op, (void *)buf, len, off);
    io->ops->submit(io, op);
}

void lb_io_fsync(struct lb_io *io, struct lb_io_op *op, int fd, bool data_only) {
    op_begin(io, op, LB_IO_FSYNC, fd);
    op->flags |= data_only ? LB_OP_DATA_ONLY : 0;
    io->ops->submit(io, op);
}

void lb_io_work(struct lb_io *io, struct lb_io_op *op, lb_io_work_fn fn) {
    op_begin(io, op, LB_IO_WORK, -1);
    op->work = fn;
    io->ops->submit(io, op);
}

void lb_io_cancel(struct lb_io *io, struct lb_io_op *op) {
    if (op->kind == LB_IO_IDLE || op->canceled || (op->flags & LB_OP_READY))
        return;
    if (op->kind == LB_IO_READ || op->kind == LB_IO_WRITE || op->kind == LB_IO_FSYNC)
        return;
    op->canceled = true;
    if (op->flags & LB_OP_AGAIN) {
        lb_list_remove(&op->link);
        op->flags &= ~(unsigned)LB_OP_AGAIN;
        lb_io_complete(io, op, -ECANCELED);
        return;
    }
    io->ops->cancel(io, op);
}

int lb_io_listen(struct lb_io *io, const struct sockaddr *addr, socklen_t len, bool reuseport) {
    return io->ops->listen(io, addr, len, reuseport);
}

void lb_io_shutdown(struct lb_io *io, int fd, int how) {
    io->ops->shutdown(io, fd, how);
}

void lb_io_close(struct lb_io *io, int fd) {
    io->ops->close(io, fd);
}

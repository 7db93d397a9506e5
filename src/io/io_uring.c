/* The io_uring back end. Receiving, accepting and file I/O go through the ring. Sending is tried at
 * once with the plain call, which is cheaper, and the ring only waits for room in the socket. Calls
 * are submitted once a turn, together with the wait.
 *
 * A completion's user data is its operation, except for these two. */
#include "io/io_priv.h"

#include <liburing.h>
#include <sys/eventfd.h>
#include <sys/poll.h>
#include <unistd.h>

#define USER_IGNORE 0u /* a cancel request */
#define USER_WAKE 1u   /* the eventfd */

#define ENTRIES 1024u

/* The completion ring's share of entries: what overflows it costs the kernel an allocation. */
#define CQ_FACTOR 4u

/* One file transfer; the kernel's own limit is a little less than 2 GiB. */
#define TRANSFER_MAX ((size_t)1 << 30)

struct uring {
    struct lb_io io;
    struct io_uring ring;
    struct lb_list cancels; /* operations with the kernel that are to be cancelled */
    int wake_fd;
    bool wake_armed;
    uint64_t wake_count;
};

static void op_finish(struct uring *u, struct lb_io_op *op, int64_t res);

static struct uring *uring_of(struct lb_io *io) {
    return LB_CONTAINER_OF(io, struct uring, io);
}

/* A completion of the kernel's. Only queues callbacks and prepares what continues. */
static void cqe_handle(struct uring *u, const struct io_uring_cqe *cqe) {
    if (cqe->user_data == USER_IGNORE)
        return;
    if (cqe->user_data == USER_WAKE) {
        u->wake_armed = false;
        return;
    }
    struct lb_io_op *op = (struct lb_io_op *)(uintptr_t)cqe->user_data;
    lb_list_remove(&op->link); /* from the cancels */
    op_finish(u, op, cqe->res);
}

static void reap(struct uring *u) {
    struct io_uring_cqe *cqe;
    unsigned head, n = 0;
    io_uring_for_each_cqe(&u->ring, head, cqe) {
        cqe_handle(u, cqe);
        n++;
    }
    io_uring_cq_advance(&u->ring, n);
}

/* Room for a submission. When the ring is full it is submitted; NULL when the kernel takes none of
 * it now (it wants completions reaped first, or has no memory). */
static struct io_uring_sqe *sqe_get(struct uring *u) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
    if (!sqe && io_uring_submit(&u->ring) > 0)
        sqe = io_uring_get_sqe(&u->ring);
    return sqe;
}

static void prep_file(struct io_uring_sqe *sqe, struct lb_io_op *op) {
    size_t left = op->len - (size_t)op->res;
    unsigned len = (unsigned)(left < TRANSFER_MAX ? left : TRANSFER_MAX);
    char *at = (char *)op->ptr + op->res;
    uint64_t off = op->off + (uint64_t)op->res;
    if (op->kind == LB_IO_READ)
        io_uring_prep_read(sqe, op->fd, at, len, off);
    else
        io_uring_prep_write(sqe, op->fd, at, len, off);
}

/* Hands op to the kernel in the form that its kind asks for. */
static void op_start(struct uring *u, struct lb_io_op *op) {
    struct io_uring_sqe *sqe = sqe_get(u);
    if (!sqe) {
        lb_io_again(&u->io, op);
        return;
    }
    switch (op->kind) {
    case LB_IO_ACCEPT:
        io_uring_prep_accept(sqe, op->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        break;
    case LB_IO_RECV:
        io_uring_prep_recv(sqe, op->fd, op->ptr, op->len < TRANSFER_MAX ? op->len : TRANSFER_MAX,
                           0);
        break;
    case LB_IO_SEND:
    case LB_IO_SENDFILE:
        io_uring_prep_poll_add(sqe, op->fd, POLLOUT);
        break;
    case LB_IO_FSYNC:
        io_uring_prep_fsync(sqe, op->fd, op->flags & LB_OP_DATA_ONLY ? IORING_FSYNC_DATASYNC : 0);
        break;
    default:
        prep_file(sqe, op);
        break;
    }
    io_uring_sqe_set_data(sqe, op);
}

static void file_finish(struct uring *u, struct lb_io_op *op, int64_t res) {
    if (res == -EINTR) {
        op_start(u, op);
        return;
    }
    /* The descriptor is O_NONBLOCK and its filesystem cannot tell what would block. A thread starts
     * from the beginning, which does no harm. */
    if (res == -EAGAIN && u->io.workers) {
        lb_io_to_workers(&u->io, op);
        return;
    }
    /* Reading on after a short read that ended the file, O_DIRECT refuses the odd offset. */
    if (res == -EINVAL && op->kind == LB_IO_READ && op->res > 0)
        res = 0;
    if (res > 0 && (op->res += res) < (int64_t)op->len) {
        op_start(u, op);
        return;
    }
    if (res == 0 && op->kind == LB_IO_WRITE && op->len > 0)
        res = -EIO;
    lb_io_complete(&u->io, op, res < 0 ? res : op->res);
}

static void send_go_on(struct uring *u, struct lb_io_op *op) {
    if (lb_sock_send(&u->io, op) == LB_SOCK_FULL)
        op_start(u, op);
}

/* The kernel is done with what op_start gave it. */
static void op_finish(struct uring *u, struct lb_io_op *op, int64_t res) {
    bool again = false;
    switch (op->kind) {
    case LB_IO_READ:
    case LB_IO_WRITE:
        file_finish(u, op, res);
        return;
    case LB_IO_SEND:
    case LB_IO_SENDFILE:
        if (op->canceled) {
            res = -ECANCELED;
        } else if (res >= 0) {
            send_go_on(u, op);
            return;
        }
        break;
    case LB_IO_ACCEPT:
        if (res >= 0)
            lb_sock_accepted((int)res);
        again = lb_sock_accept_retry(res);
        break;
    case LB_IO_RECV:
        again = res == -EINTR || res == -EAGAIN;
        break;
    default:
        break;
    }
    if (again && !op->canceled)
        op_start(u, op);
    else
        lb_io_complete(&u->io, op, again ? -ECANCELED : res);
}

static void uring_submit(struct lb_io *io, struct lb_io_op *op) {
    struct uring *u = uring_of(io);
    if (op->kind == LB_IO_WORK)
        lb_io_to_workers(io, op);
    else if (op->kind == LB_IO_SEND || op->kind == LB_IO_SENDFILE)
        send_go_on(u, op);
    else
        op_start(u, op);
}

static void uring_cancel(struct lb_io *io, struct lb_io_op *op) {
    if (op->kind != LB_IO_WORK)
        lb_list_append(&uring_of(io)->cancels, &op->link);
    else if (lb_io_from_workers(io, op))
        lb_io_complete(io, op, -ECANCELED);
}

/* Right before the wait, so that no request can outlive its operation and meet the next one in the
 * same place. */
static void cancels_submit(struct uring *u) {
    while (!lb_list_empty(&u->cancels)) {
        struct io_uring_sqe *sqe = sqe_get(u);
        if (!sqe)
            return;
        struct lb_list *node = lb_list_pop(&u->cancels);
        io_uring_prep_cancel(sqe, LB_CONTAINER_OF(node, struct lb_io_op, link), 0);
        io_uring_sqe_set_data64(sqe, USER_IGNORE);
    }
}

static void wake_arm(struct uring *u) {
    struct io_uring_sqe *sqe = u->wake_armed ? NULL : sqe_get(u);
    if (!sqe)
        return;
    io_uring_prep_read(sqe, u->wake_fd, &u->wake_count, sizeof(u->wake_count), 0);
    io_uring_sqe_set_data64(sqe, USER_WAKE);
    u->wake_armed = true;
}

static int uring_wait(struct lb_io *io, uint64_t timeout_ns) {
    struct uring *u = uring_of(io);
    cancels_submit(u);
    wake_arm(u);
    if (!u->wake_armed || !lb_list_empty(&u->cancels) || !lb_list_empty(&io->again))
        timeout_ns = 0; /* the ring was full: come back when it has moved */
    int rc;
    if (timeout_ns == 0) {
        rc = io_uring_submit_and_get_events(&u->ring);
    } else {
        struct __kernel_timespec ts = {.tv_sec = (long long)(timeout_ns / 1000000000u),
                                       .tv_nsec = (long long)(timeout_ns % 1000000000u)};
        struct io_uring_cqe *cqe;
        rc = io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1,
                                              timeout_ns == UINT64_MAX ? NULL : &ts, NULL);
    }
    reap(u);
    /* Nothing happened, a signal, completions to reap first, no memory just now: try again. */
    return rc >= 0 || rc == -ETIME || rc == -EINTR || rc == -EBUSY || rc == -EAGAIN ? 0 : rc;
}

static void uring_wake(struct lb_io *io) {
    eventfd_write(uring_of(io)->wake_fd, 1);
}

static void uring_close(struct lb_io *io, int fd) {
    close(fd);
}

static void uring_free(struct lb_io *io) {
    struct uring *u = uring_of(io);
    lb_io_fini(io);
    io_uring_queue_exit(&u->ring);
    close(u->wake_fd);
    free(u);
}

static const struct lb_io_ops uring_ops = {
    .name = "io_uring",
    .submit = uring_submit,
    .cancel = uring_cancel,
    .wait = uring_wait,
    .wake = uring_wake,
    .now_ns = lb_sys_now_ns,
    .wall_ns = lb_sys_wall_ns,
    .random = lb_sys_random,
    .listen = lb_sock_listen,
    .shutdown = lb_sock_shutdown,
    .close = uring_close,
    .free = uring_free,
};

/* With the best flags that this kernel takes. */
static int ring_init(struct io_uring *ring, unsigned entries) {
    static const unsigned flags[] = {
        IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
        IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN,
        0,
    };
    int rc = -EINVAL;
    for (size_t i = 0; rc == -EINVAL && i < sizeof(flags) / sizeof(flags[0]); i++) {
        struct io_uring_params params = {.flags = flags[i] | IORING_SETUP_CQSIZE,
                                         .cq_entries = entries * CQ_FACTOR};
        rc = io_uring_queue_init_params(entries, ring, &params);
    }
    if (rc < 0)
        return rc;
    /* A wait with a timeout, and completions that overflow but are not lost: Linux 5.11. */
    if ((ring->features & IORING_FEAT_EXT_ARG) && (ring->features & IORING_FEAT_NODROP))
        return 0;
    io_uring_queue_exit(ring);
    return -ENOSYS;
}

int lb_io_uring_new(const struct lb_io_conf *conf, struct lb_io **ret) {
    struct uring *u = calloc(1, sizeof(*u));
    if (!u)
        return -ENOMEM;
    int rc = ring_init(&u->ring, conf->ring_entries ? conf->ring_entries : ENTRIES);
    if (rc < 0)
        goto fail_ring;
    /* Not O_NONBLOCK: then the ring would answer EAGAIN in place of waiting. */
    u->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (u->wake_fd < 0) {
        rc = -errno;
        goto fail_wake;
    }
    lb_list_init(&u->cancels);
    lb_io_init(&u->io, &uring_ops, conf);
    *ret = &u->io;
    return 0;
fail_wake:
    io_uring_queue_exit(&u->ring);
fail_ring:
    free(u);
    return rc;
}

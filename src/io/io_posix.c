/* The epoll back end: for kernels and containers without io_uring. File I/O runs on the worker
 * threads.
 *
 * A socket is registered once, edge-triggered, for both directions, and what epoll has said about
 * it is remembered: a connection that lives long costs one event and one recv a request. Since an
 * edge comes only once, `readable` may be cleared only by an attempt that has found the socket
 * empty, after which new data makes a new edge. */
#include "io/io_priv.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS_MAX 512

#define FD_WAKE UINT64_MAX

struct slot {
    struct lb_io_op *in;  /* ACCEPT or RECV that waits */
    struct lb_io_op *out; /* SEND or SENDFILE that waits */
    bool added;
    bool readable;
    bool ended; /* hung up or failed: the last edge there is */
};

struct posix {
    struct lb_io io;
    int epoll_fd;
    int wake_fd;
    struct slot *slots; /* by descriptor */
    size_t slots_n;
};

static struct posix *posix_of(struct lb_io *io) {
    return LB_CONTAINER_OF(io, struct posix, io);
}

static int slots_reserve(struct posix *p, int fd) {
    size_t n = p->slots_n ? p->slots_n : 64;
    while (n <= (size_t)fd)
        n *= 2;
    if (n == p->slots_n)
        return 0;
    struct slot *slots = realloc(p->slots, n * sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    memset(slots + p->slots_n, 0, (n - p->slots_n) * sizeof(*slots));
    p->slots = slots;
    p->slots_n = n;
    return 0;
}

/* The slot of op's descriptor, registered; NULL when that failed and op has been completed. */
static struct slot *slot_of(struct posix *p, struct lb_io_op *op) {
    int rc = op->fd < 0 ? -EBADF : slots_reserve(p, op->fd);
    if (rc < 0) {
        lb_io_complete(&p->io, op, rc);
        return NULL;
    }
    struct slot *s = &p->slots[op->fd];
    if (s->added)
        return s;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.u64 = (uint64_t)op->fd};
    if (epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, op->fd, &event) < 0) {
        lb_io_complete(&p->io, op, -errno);
        return NULL;
    }
    *s = (struct slot){.added = true};
    return s;
}

/* Forgets what was known of a descriptor number: it is new, or about to be closed. */
static void slot_reset(struct posix *p, int fd) {
    if (fd < 0 || (size_t)fd >= p->slots_n)
        return;
    assert(!p->slots[fd].in && !p->slots[fd].out);
    p->slots[fd] = (struct slot){.added = false};
}

static int64_t accept_once(struct posix *p, struct lb_io_op *op) {
    int fd;
    do
        fd = accept4(op->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (fd < 0 && lb_sock_accept_retry(-errno));
    if (fd < 0)
        return -errno;
    slot_reset(p, fd);
    lb_sock_accepted(fd);
    return fd;
}

static int64_t recv_once(struct lb_io_op *op) {
    ssize_t n;
    do
        n = recv(op->fd, op->ptr, op->len, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

/* Tries op on a socket that is said to be readable; leaves it waiting when there is nothing. */
static void in_go_on(struct posix *p, struct slot *s, struct lb_io_op *op) {
    int64_t res = op->kind == LB_IO_ACCEPT ? accept_once(p, op) : recv_once(op);
    if (res == -EAGAIN) {
        s->readable = false;
        s->in = op;
        return;
    }
    /* Less than was asked for has emptied the socket (epoll(7), question 9), but of the end of the
     * stream there may have been notice already. */
    if (op->kind == LB_IO_RECV && res >= 0 && (size_t)res < op->len && !s->ended)
        s->readable = false;
    s->in = NULL;
    lb_io_complete(&p->io, op, res);
}

static void in_submit(struct posix *p, struct lb_io_op *op) {
    struct slot *s = slot_of(p, op);
    if (!s)
        return;
    assert(!s->in);
    if (s->readable)
        in_go_on(p, s, op);
    else
        s->in = op;
}

static void out_submit(struct posix *p, struct lb_io_op *op) {
    if (lb_sock_send(&p->io, op) != LB_SOCK_FULL)
        return;
    struct slot *s = slot_of(p, op);
    if (!s)
        return;
    assert(!s->out);
    s->out = op;
}

static void posix_submit(struct lb_io *io, struct lb_io_op *op) {
    struct posix *p = posix_of(io);
    switch (op->kind) {
    case LB_IO_ACCEPT:
    case LB_IO_RECV:
        in_submit(p, op);
        break;
    case LB_IO_SEND:
    case LB_IO_SENDFILE:
        out_submit(p, op);
        break;
    default:
        lb_io_to_workers(io, op);
        break;
    }
}

static void posix_cancel(struct lb_io *io, struct lb_io_op *op) {
    struct posix *p = posix_of(io);
    if (op->kind == LB_IO_WORK) {
        if (lb_io_from_workers(io, op))
            lb_io_complete(io, op, -ECANCELED);
        return;
    }
    struct slot *s = &p->slots[op->fd];
    if (s->in == op)
        s->in = NULL;
    else
        s->out = NULL;
    lb_io_complete(io, op, -ECANCELED);
}

static void event_handle(struct posix *p, const struct epoll_event *event) {
    if (event->data.u64 == FD_WAKE)
        return; /* edge-triggered: the count need not be read */
    struct slot *s = &p->slots[event->data.u64];
    if (event->events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP))
        s->ended = true;
    if (event->events & (EPOLLIN | EPOLLERR | EPOLLHUP | EPOLLRDHUP)) {
        s->readable = true;
        if (s->in)
            in_go_on(p, s, s->in);
    }
    if (s->out && (event->events & (EPOLLOUT | EPOLLERR | EPOLLHUP))) {
        struct lb_io_op *op = s->out;
        s->out = NULL;
        out_submit(p, op);
    }
}

static int posix_wait(struct lb_io *io, uint64_t timeout_ns) {
    struct posix *p = posix_of(io);
    struct epoll_event events[EVENTS_MAX];
    int timeout_ms = -1;
    if (timeout_ns != UINT64_MAX) {
        uint64_t ms = timeout_ns / 1000000u + (timeout_ns % 1000000u != 0);
        timeout_ms = ms < INT32_MAX ? (int)ms : INT32_MAX;
    }
    int n = epoll_wait(p->epoll_fd, events, EVENTS_MAX, timeout_ms);
    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < n; i++)
        event_handle(p, &events[i]);
    return 0;
}

static void posix_wake(struct lb_io *io) {
    eventfd_write(posix_of(io)->wake_fd, 1);
}

static int posix_listen(struct lb_io *io, const struct sockaddr *addr, socklen_t len,
                        bool reuseport) {
    int fd = lb_sock_listen(io, addr, len, reuseport);
    slot_reset(posix_of(io), fd);
    return fd;
}

static void posix_close(struct lb_io *io, int fd) {
    slot_reset(posix_of(io), fd);
    close(fd);
}

static void posix_free(struct lb_io *io) {
    struct posix *p = posix_of(io);
    lb_io_fini(io);
    close(p->wake_fd);
    close(p->epoll_fd);
    free(p->slots);
    free(p);
}

static const struct lb_io_ops posix_ops = {
    .name = "epoll",
    .submit = posix_submit,
    .cancel = posix_cancel,
    .wait = posix_wait,
    .wake = posix_wake,
    .now_ns = lb_sys_now_ns,
    .wall_ns = lb_sys_wall_ns,
    .random = lb_sys_random,
    .listen = posix_listen,
    .shutdown = lb_sock_shutdown,
    .close = posix_close,
    .free = posix_free,
};

int lb_io_posix_new(const struct lb_io_conf *conf, struct lb_io **ret) {
    struct posix *p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = FD_WAKE};
    p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->epoll_fd < 0 || p->wake_fd < 0 ||
        epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, p->wake_fd, &event) < 0) {
        int rc = -errno;
        if (p->epoll_fd >= 0)
            close(p->epoll_fd);
        if (p->wake_fd >= 0)
            close(p->wake_fd);
        free(p);
        return rc;
    }
    lb_io_init(&p->io, &posix_ops, conf);
    *ret = &p->io;
    return 0;
}

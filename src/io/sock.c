/* The socket calls that the real back ends have in common. */
#include "io/io_priv.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/sendfile.h>
#include <unistd.h>

#define BACKLOG 4096

/* What one operation may send in one turn: a fast reader of a large file must not keep the loop
 * from the others. Large enough that the usual objects go in one call. */
#define SHARE_MAX ((size_t)2 << 20)

static int option_on(int fd, int level, int name) {
    int one = 1;
    return setsockopt(fd, level, name, &one, sizeof(one));
}

int lb_sock_listen(struct lb_io *io, const struct sockaddr *addr, socklen_t len, bool reuseport) {
    int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int rc = option_on(fd, SOL_SOCKET, SO_REUSEADDR);
    if (rc == 0 && reuseport)
        rc = option_on(fd, SOL_SOCKET, SO_REUSEPORT);
    /* Else "::" would take IPv4's port as well, and a listener for both could not be bound. */
    if (rc == 0 && addr->sa_family == AF_INET6)
        rc = option_on(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    if (rc == 0)
        rc = bind(fd, addr, len);
    if (rc == 0)
        rc = listen(fd, BACKLOG);
    if (rc == 0)
        return fd;
    rc = -errno;
    close(fd);
    return rc;
}

void lb_sock_shutdown(struct lb_io *io, int fd, int how) {
    shutdown(fd, how);
}

void lb_sock_accepted(int fd) {
    /* Fails on a local socket, which has no Nagle either. */
    option_on(fd, IPPROTO_TCP, TCP_NODELAY);
}

bool lb_sock_accept_retry(int64_t res) {
    switch (-res) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return true; /* accept(2): pending network errors of the new socket */
    default:
        return false;
    }
}

/* One system call: bytes sent, 0 at the file's end, or -errno. */
static ssize_t send_once(struct lb_io_op *op, size_t max) {
    size_t left = op->len - (size_t)op->res;
    if (left > max)
        left = max;
    ssize_t n;
    if (op->kind == LB_IO_SENDFILE) {
        off_t off = (off_t)(op->off + (uint64_t)op->res);
        n = sendfile(op->fd, op->fd2, &off, left);
    } else {
        int flags = MSG_NOSIGNAL | MSG_DONTWAIT | (op->flags & LB_OP_MORE ? MSG_MORE : 0);
        n = send(op->fd, (const char *)op->ptr + op->res, left, flags);
    }
    return n < 0 ? -errno : n;
}

int lb_sock_send(struct lb_io *io, struct lb_io_op *op) {
    size_t share = SHARE_MAX;
    while ((size_t)op->res < op->len) {
        if (share == 0) {
            lb_io_again(io, op);
            return LB_SOCK_MOVED;
        }
        ssize_t n = send_once(op, share);
        if (n == -EAGAIN)
            return LB_SOCK_FULL;
        if (n == -EINTR)
            continue;
        if (n < 0) {
            lb_io_complete(io, op, n);
            return LB_SOCK_MOVED;
        }
        if (n == 0)
            break;
        op->res += n;
        share -= (size_t)n;
    }
    lb_io_complete(io, op, op->res);
    return LB_SOCK_MOVED;
}

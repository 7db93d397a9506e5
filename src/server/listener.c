#include "server/listener.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/err.h"
#include "base/log.h"

#define RETRY_NS 100000000ull

static void accept_next(struct lb_listener *li);

/* "192.0.2.1:4711" of a connected socket. */
static struct lb_slice peer_text(int fd, char *text, size_t cap) {
    struct sockaddr_storage a = {0};
    socklen_t len = sizeof(a);
    char ip[INET6_ADDRSTRLEN] = "";
    const struct sockaddr_in *v4 = (const void *)&a;
    const struct sockaddr_in6 *v6 = (const void *)&a;
    int n = 0;
    if (getpeername(fd, (struct sockaddr *)&a, &len) < 0)
        return lb_slice("", 0);
    if (a.ss_family == AF_INET && inet_ntop(AF_INET, &v4->sin_addr, ip, sizeof(ip)))
        n = snprintf(text, cap, "%s:%u", ip, ntohs(v4->sin_port));
    else if (a.ss_family == AF_INET6 && inet_ntop(AF_INET6, &v6->sin6_addr, ip, sizeof(ip)))
        n = snprintf(text, cap, "[%s]:%u", ip, ntohs(v6->sin6_port));
    return lb_slice(text, n > 0 ? (size_t)n : 0);
}

static void close_now(struct lb_listener *li) {
    lb_io_close(li->conns->io, li->fd);
    li->fd = -1;
    li->closed(li);
}

static void accepted(struct lb_io_op *op, int64_t res) {
    struct lb_listener *li = LB_CONTAINER_OF(op, struct lb_listener, accept_op);
    char peer[64];
    if (res >= 0 && li->closing)
        lb_io_close(li->conns->io, (int)res);
    else if (res >= 0)
        lb_conn_open(li->conns, (int)res, peer_text((int)res, peer, sizeof(peer)));
    if (li->closing) {
        close_now(li);
    } else if (res < 0) {
        if (!li->failed)
            lb_warn("cannot accept connections for the moment",
                    LB_LOG_C("err", lb_err_name((int)res)));
        li->failed = true;
        lb_io_timer_start(li->conns->io, &li->retry, RETRY_NS);
    } else {
        li->failed = false;
        accept_next(li);
    }
}

static void accept_next(struct lb_listener *li) {
    li->accept_op.done = accepted;
    lb_io_accept(li->conns->io, &li->accept_op, li->fd);
}

static void on_retry(struct lb_io_timer *t) {
    accept_next(LB_CONTAINER_OF(t, struct lb_listener, retry));
}

void lb_listener_start(struct lb_listener *li, struct lb_conns *conns, int fd,
                       void (*closed)(struct lb_listener *li)) {
    li->fd = fd;
    li->conns = conns;
    li->closed = closed;
    li->retry.fn = on_retry;
    accept_next(li);
}

void lb_listener_close(struct lb_listener *li) {
    li->closing = true;
    lb_io_timer_stop(li->conns->io, &li->retry);
    if (li->accept_op.kind == LB_IO_IDLE)
        close_now(li);
    else
        lb_io_cancel(li->conns->io, &li->accept_op);
}

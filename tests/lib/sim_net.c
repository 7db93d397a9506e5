/* Sockets in memory. A connection is two ends that are each other's peer; bytes sent by one are in
 * the receive buffer of the other at once, and the seed decides how many an operation moves. */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "sim_fs_priv.h"
#include "sim_priv.h"

static struct sim_conn *conn_at(const struct sim *sim, int fd) {
    size_t i = (size_t)(fd - SIM_SOCK_FD_MIN);
    if (fd < SIM_SOCK_FD_MIN || i >= sim->conns_n || !sim->conns[i]->loop ||
        sim->conns[i]->closed) {
        fprintf(stderr, "sim: socket %d is not open\n", fd);
        abort();
    }
    return sim->conns[i];
}

static struct sim_conn *conn_new(struct sim *sim, struct sim_loop *loop) {
    struct sim_conn *c = sim_grow(NULL, 1, sizeof(*c));
    memset(c, 0, sizeof(*c));
    c->sim = sim;
    c->loop = loop;
    lb_list_init(&c->backlog);
    lb_list_init(&c->link);
    c->fd = SIM_SOCK_FD_MIN + (int)sim->conns_n;
    sim->conns = sim_grow(sim->conns, sim->conns_n + 1, sizeof(*sim->conns));
    sim->conns[sim->conns_n++] = c;
    return c;
}

void sim_net_fini(struct sim *sim) {
    for (size_t i = 0; i < sim->conns_n; i++) {
        free(sim->conns[i]->bytes);
        free(sim->conns[i]);
    }
    free(sim->conns);
}

size_t sim_sock_count(const struct sim *sim) {
    size_t n = 0;
    for (size_t i = 0; i < sim->conns_n; i++)
        n += sim->conns[i]->loop && !sim->conns[i]->closed;
    return n;
}

/* What an operation that waits is told of: it looks again. */
static void wake(struct sim_conn *c, struct lb_io_op *op) {
    if (!c || !c->loop || !op)
        return;
    sim_unschedule(c->sim, op);
    sim_schedule(c->sim, op);
}

/* Bytes. */

static size_t space(const struct sim_conn *to) {
    return to->sim->conf.sock_buf - to->bytes_n;
}

static void put(struct sim_conn *to, const void *buf, size_t len) {
    to->bytes = sim_grow(to->bytes, to->bytes_n + len, 1);
    memcpy(to->bytes + to->bytes_n, buf, len);
    to->bytes_n += len;
    wake(to, to->in_op);
}

static void take(struct sim_conn *from, void *buf, size_t len) {
    memcpy(buf, from->bytes, len);
    from->bytes_n -= len;
    memmove(from->bytes, from->bytes + len, from->bytes_n);
    if (from->peer)
        wake(from->peer, from->peer->out_op);
}

/* How much of what is possible an operation moves: all of it, or (half the time) less. */
static size_t some(struct sim *sim, size_t most) {
    return lb_prng_below(&sim->prng, 2) ? most : 1 + lb_prng_below(&sim->prng, most);
}

static void finish(struct sim_conn *c) {
    if (c->peer && !c->shut_out) {
        c->peer->fin = true;
        wake(c->peer, c->peer->in_op);
    }
    c->shut_out = true;
}

static void break_off(struct sim_conn *c) {
    if (!c->peer)
        return;
    c->peer->reset = true;
    c->peer->bytes_n = 0;
    wake(c->peer, c->peer->in_op);
    wake(c->peer, c->peer->out_op);
}

static void end(struct sim_conn *c, bool reset) {
    assert(!c->in_op && !c->out_op);
    c->closed = true;
    if (reset || c->bytes_n > 0)
        break_off(c);
    else
        finish(c);
    if (c->peer) {
        wake(c->peer, c->peer->out_op);
        c->peer->peer = NULL;
    }
    c->peer = NULL;
    free(c->bytes);
    c->bytes = NULL;
    c->bytes_n = 0;
}

/* The loop's side. */

int sim_net_listen(struct lb_io *io, const struct sockaddr *addr, socklen_t len, bool reuseport) {
    struct sim *sim = sim_loop_of(io)->sim;
    for (size_t i = 0; i < sim->conns_n; i++) {
        const struct sim_conn *c = sim->conns[i];
        if (c->listening && !c->closed && c->addr_len == len && !memcmp(&c->addr, addr, len) &&
            !reuseport)
            return -EADDRINUSE;
    }
    struct sim_conn *c = conn_new(sim, sim_loop_of(io));
    c->listening = true;
    memcpy(&c->addr, addr, len);
    c->addr_len = len;
    return c->fd;
}

void sim_net_submit(struct sim *sim, struct lb_io_op *op) {
    struct sim_conn *c = conn_at(sim, op->fd);
    bool in = op->kind == LB_IO_ACCEPT || op->kind == LB_IO_RECV;
    assert(!(in ? c->in_op : c->out_op));
    if (in)
        c->in_op = op;
    else
        c->out_op = op;
    if (!in || !lb_list_empty(&c->backlog) || c->bytes_n > 0 || c->fin || c->reset || c->shut_in)
        sim_schedule(sim, op);
}

void sim_net_forget(struct sim *sim, struct lb_io_op *op) {
    struct sim_conn *c = conn_at(sim, op->fd);
    if (c->in_op == op)
        c->in_op = NULL;
    if (c->out_op == op)
        c->out_op = NULL;
}

static void complete(struct sim *sim, struct lb_io_op *op, int64_t res) {
    sim_net_forget(sim, op);
    sim_note(sim, (uint64_t)op->kind << 32 ^ (uint64_t)res);
    lb_io_complete(op->io, op, res);
}

static void run_accept(struct sim *sim, struct sim_conn *c, struct lb_io_op *op) {
    if (lb_list_empty(&c->backlog))
        return;
    int err = sim_fs_enter(sim->fs, SIM_ACCEPT);
    if (err) {
        complete(sim, op, err);
        return;
    }
    struct sim_conn *end = LB_CONTAINER_OF(lb_list_pop(&c->backlog), struct sim_conn, link);
    end->loop = c->loop;
    complete(sim, op, end->fd);
}

static void run_recv(struct sim *sim, struct sim_conn *c, struct lb_io_op *op) {
    if (!c->reset && !c->bytes_n && !c->fin && !c->shut_in)
        return;
    int err = sim_fs_enter(sim->fs, SIM_RECV);
    if (err || c->reset || !c->bytes_n || !op->len) {
        complete(sim, op, err ? err : c->reset ? -ECONNRESET : 0);
        return;
    }
    size_t n = some(sim, op->len < c->bytes_n ? op->len : c->bytes_n);
    take(c, op->ptr, n);
    complete(sim, op, (int64_t)n);
}

/* The bytes an operation sends next. Returns how many, 0 at the end of the file. */
static size_t outgoing(struct sim *sim, const struct lb_io_op *op, uint8_t *buf, size_t len) {
    if (op->kind == LB_IO_SEND) {
        memcpy(buf, (const char *)op->ptr + op->res, len);
        return len;
    }
    const struct sim_file *f = sim_file(sim->fs, op->fd2);
    return sim_state_read(&sim_inode(sim->fs, f->ino)->now, op->off + (uint64_t)op->res, buf, len);
}

static void run_send(struct sim *sim, struct sim_conn *c, struct lb_io_op *op) {
    int err = sim_fs_enter(sim->fs, op->kind == LB_IO_SEND ? SIM_SEND : SIM_SENDFILE);
    if (!err && c->reset)
        err = -ECONNRESET;
    else if (!err && (c->shut_out || !c->peer))
        err = -EPIPE;
    size_t left = op->len - (size_t)op->res;
    if (err || left == 0) {
        complete(sim, op, err ? err : op->res);
        return;
    }
    size_t n = left < space(c->peer) ? left : space(c->peer);
    if (n == 0)
        return; /* until the peer reads */
    n = some(sim, n);
    uint8_t *buf = sim_grow(NULL, n, 1);
    size_t got = outgoing(sim, op, buf, n);
    if (got > 0)
        put(c->peer, buf, got);
    free(buf);
    op->res += (int64_t)got;
    if (got == 0 || (size_t)op->res == op->len)
        complete(sim, op, op->res);
    else
        sim_schedule(sim, op);
}

void sim_net_run(struct sim *sim, struct lb_io_op *op) {
    struct sim_conn *c = conn_at(sim, op->fd);
    if (op->kind == LB_IO_ACCEPT)
        run_accept(sim, c, op);
    else if (op->kind == LB_IO_RECV)
        run_recv(sim, c, op);
    else
        run_send(sim, c, op);
}

void sim_net_shutdown(struct lb_io *io, int fd, int how) {
    struct sim_conn *c = conn_at(sim_loop_of(io)->sim, fd);
    if (how != SHUT_WR) {
        c->shut_in = true;
        wake(c, c->in_op);
    }
    if (how != SHUT_RD) {
        finish(c);
        wake(c, c->out_op);
    }
}

void sim_net_close(struct lb_io *io, int fd) {
    struct sim_conn *c = conn_at(sim_loop_of(io)->sim, fd);
    for (struct lb_list *node; (node = lb_list_pop(&c->backlog));)
        end(LB_CONTAINER_OF(node, struct sim_conn, link), true);
    end(c, false);
}

/* The test's side. */

struct sim_conn *sim_connect(struct sim *sim, const struct sockaddr *addr, socklen_t len) {
    struct sim_conn *found = NULL;
    uint64_t n = 0;
    for (size_t i = 0; i < sim->conns_n; i++) {
        struct sim_conn *c = sim->conns[i];
        if (c->listening && !c->closed && c->addr_len == len && !memcmp(&c->addr, addr, len) &&
            lb_prng_below(&sim->prng, ++n) == 0)
            found = c;
    }
    if (!found)
        return NULL;
    struct sim_conn *ours = conn_new(sim, NULL), *theirs = conn_new(sim, NULL);
    ours->peer = theirs;
    theirs->peer = ours;
    lb_list_append(&found->backlog, &theirs->link);
    wake(found, found->in_op);
    return ours;
}

int64_t sim_conn_write(struct sim_conn *c, const void *buf, size_t len) {
    if (c->reset)
        return -ECONNRESET;
    if (c->shut_out || !c->peer)
        return -EPIPE;
    size_t n = len < space(c->peer) ? len : space(c->peer);
    if (n > 0)
        put(c->peer, buf, n);
    return (int64_t)n;
}

int64_t sim_conn_read(struct sim_conn *c, void *buf, size_t cap) {
    if (c->reset)
        return -ECONNRESET;
    size_t n = cap < c->bytes_n ? cap : c->bytes_n;
    if (n > 0) {
        take(c, buf, n);
        return (int64_t)n;
    }
    return c->fin ? 0 : -EAGAIN;
}

void sim_conn_shutdown(struct sim_conn *c) {
    finish(c);
}

void sim_conn_close(struct sim_conn *c) {
    end(c, false);
}

void sim_conn_reset(struct sim_conn *c) {
    end(c, true);
}

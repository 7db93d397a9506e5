/* The client: connections on an epoll, edge-triggered so that a request costs no epoll_ctl, each
 * with one request in flight. */
#include "bench.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define EVENTS_MAX 256
#define WAIT_MS 20
#define FAILURES_MAX 100 /* connections that break in a row: give up */

struct connection {
    int fd;
    const struct bench_request *request; /* in flight, or NULL */
    size_t sent;
    uint64_t start_ns;
    struct bench_reply reply;
};

struct runner {
    struct bench_load *load;
    struct bench_result *result;
    int epoll;
    unsigned idle; /* connections without a request */
    unsigned failures;
};

static int connect_to(struct runner *r, struct connection *c) {
    const struct sockaddr_in *address = &r->load->options->address;
    int one = 1;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return -errno;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(c->fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ||
        epoll_ctl(r->epoll, EPOLL_CTL_ADD, c->fd, &event) < 0) {
        int err = -errno;
        close(c->fd);
        c->fd = -1;
        return err;
    }
    return 0;
}

/* Sends what is left of the request. Returns 0 or -errno. */
static int send_more(struct runner *r, struct connection *c) {
    struct lb_slice head = c->request->head, body = r->load->plan->body;
    while (c->sent < head.len + body.len) {
        struct iovec iov[2];
        struct msghdr message = {.msg_iov = iov};
        if (c->sent < head.len)
            iov[message.msg_iovlen++] =
                (struct iovec){(void *)(head.ptr + c->sent), head.len - c->sent};
        size_t body_sent = c->sent > head.len ? c->sent - head.len : 0;
        if (body_sent < body.len)
            iov[message.msg_iovlen++] =
                (struct iovec){(void *)(body.ptr + body_sent), body.len - body_sent};
        ssize_t n = sendmsg(c->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        c->sent += (size_t)n;
    }
    return 0;
}

static bool is_expected(const struct bench_plan *plan, int status) {
    if (plan->status)
        return status == plan->status || (plan->status == 200 && status / 100 == 2);
    return status / 100 == 2 || status == 409;
}

/* Counts a reply that came whole (status) or not at all (0). */
static void count(struct runner *r, struct connection *c, int status, uint64_t now_ns) {
    const struct bench_plan *plan = r->load->plan;
    if (r->load->phase != BENCH_MEASURE)
        return;
    if (!is_expected(plan, status)) {
        r->result->errors++;
        r->result->error_status = status;
        return;
    }
    r->result->ok++;
    r->result->bytes += c->reply.body_bytes + plan->body.len;
    bench_histogram_add(&r->result->latency, now_ns - c->start_ns);
}

/* Takes the next request and begins to send it; none is left: idles. */
static int begin(struct runner *r, struct connection *c, uint64_t now_ns) {
    struct bench_load *l = r->load;
    size_t i = atomic_fetch_add_explicit(&l->next, 1, memory_order_relaxed);
    c->request = NULL;
    if (l->phase == BENCH_STOP || (l->requests_max && i >= l->requests_max)) {
        r->idle++;
        return 0;
    }
    c->request = &l->plan->requests[i % l->plan->n];
    c->sent = 0;
    c->start_ns = now_ns;
    bench_reply_begin(&c->reply);
    return send_more(r, c);
}

static void note_etag(const struct connection *c) {
    struct lb_slice etag = bench_reply_header(&c->reply, LB_S("etag"));
    if (c->request->etag && etag.len < BENCH_ETAG_MAX) {
        memcpy(c->request->etag, etag.ptr, etag.len);
        c->request->etag[etag.len] = 0;
    }
}

/* A connection that broke, or whose server closes, is made anew and goes on. */
static int restart(struct runner *r, struct connection *c) {
    close(c->fd);
    if (++r->failures > FAILURES_MAX)
        return -ECONNRESET;
    int err = connect_to(r, c);
    return err < 0 ? err : begin(r, c, bench_now_ns());
}

static int reply_done(struct runner *r, struct connection *c) {
    uint64_t now_ns = bench_now_ns();
    size_t request_len = c->request->head.len + r->load->plan->body.len;
    count(r, c, c->reply.status, now_ns);
    note_etag(c);
    if (c->reply.close || c->sent < request_len) {
        if (c->sent == request_len)
            r->failures = 0;
        return restart(r, c);
    }
    r->failures = 0;
    return begin(r, c, now_ns);
}

/* Goes on with a connection that something happened on. Returns 0, or an error that ends the run.
 */
static int advance(struct runner *r, struct connection *c) {
    if (!c->request)
        return 0;
    int err = send_more(r, c);
    int done = bench_reply_read(&c->reply, c->fd, r->load->plan->head_only);
    if (done > 0)
        err = reply_done(r, c);
    else if (done < 0 || err < 0) {
        count(r, c, 0, 0);
        err = restart(r, c);
    }
    return err == -EPIPE || err == -ECONNRESET ? restart(r, c) : err;
}

static int run(struct runner *r, struct connection *connections, unsigned n) {
    struct epoll_event events[EVENTS_MAX];
    for (unsigned i = 0; i < n; i++) {
        int err = connect_to(r, &connections[i]);
        if (err == 0)
            err = begin(r, &connections[i], bench_now_ns());
        if (err < 0)
            return err;
    }
    while (r->idle < n && r->load->phase != BENCH_STOP) {
        int ready = epoll_wait(r->epoll, events, EVENTS_MAX, WAIT_MS);
        if (ready < 0 && errno != EINTR)
            return -errno;
        for (int i = 0; i < ready; i++) {
            int err = advance(r, events[i].data.ptr);
            if (err < 0)
                return err;
        }
    }
    return 0;
}

int bench_load_run(struct bench_load *l, unsigned connections, struct bench_result *ret) {
    struct runner r = {.load = l, .result = ret, .epoll = epoll_create1(EPOLL_CLOEXEC)};
    struct connection *all = calloc(connections, sizeof(*all));
    int err = r.epoll < 0 ? -errno : -ENOMEM;
    if (r.epoll < 0 || !all)
        goto out;
    for (unsigned i = 0; i < connections; i++)
        all[i].fd = -1;
    err = run(&r, all, connections);
    for (unsigned i = 0; i < connections; i++)
        if (all[i].fd >= 0)
            close(all[i].fd);
out:
    free(all);
    if (r.epoll >= 0)
        close(r.epoll);
    return err;
}

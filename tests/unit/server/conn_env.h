/* What the tests of connections share: connections of one loop, served by a handler that does what
 * the path says, and clients on the same thread. */
#ifndef LB_TESTS_UNIT_SERVER_CONN_ENV_H
#define LB_TESTS_UNIT_SERVER_CONN_ENV_H

#include "unit/io/env.h"

#include <sys/wait.h>

#include "base/err.h"
#include "http/response.h"
#include "server/conn.h"

#define PIECE 65536u
#define BIG (8u << 20)
#define LOCAL "Host: localhost\r\n"

/* What the handler has seen; held: an exchange it has not answered. */
struct seen {
    int requests;
    int read_err, sent_err;
    uint64_t body_len;
    uint32_t body_sum;
    struct lb_exchange *held;
};

struct served {
    struct env e;
    struct lb_conns cs;
    struct lb_pool *pool;
    struct seen seen;
    int file_fd; /* BIG bytes */
    char *bytes; /* the same */
};

static struct served *served;

static inline uint32_t sum_of(uint32_t sum, const char *bytes, size_t n) {
    for (size_t i = 0; i < n; i++)
        sum = sum * 31 + (unsigned char)bytes[i];
    return sum;
}

/* ---- the handler ---- */

static inline void reply_sent(struct lb_exchange *x, int err) {
    served->seen.sent_err = err;
    x->ops->finish(x);
}

static inline void reply(struct lb_exchange *x, int status, const char *text) {
    struct lb_slice body;
    assert_int_equal(lb_arena_copy(x->arena, lb_slice_cstr(text), &body), 0);
    x->status = status;
    x->ops->head(x, body.len);
    if (x->request->method == LB_HTTP_HEAD || status == 304 || body.len == 0)
        x->ops->finish(x);
    else
        x->ops->send(x, body, reply_sent);
}

/* /echo: reads all, answers with length and sum. */
static inline void echo_read(struct lb_exchange *x, int err, struct lb_pool_buf *buf) {
    struct seen *s = &served->seen;
    char text[64];
    s->read_err = err;
    if (err < 0) {
        reply(x, lb_err_info(err)->status, "the body failed");
    } else if (buf) {
        s->body_len += buf->len;
        s->body_sum = sum_of(s->body_sum, buf->ptr, buf->len);
        lb_pool_put(buf);
        x->ops->read(x, 0, 16384, echo_read);
    } else {
        snprintf(text, sizeof(text), "len=%llu sum=%u", (unsigned long long)s->body_len,
                 s->body_sum);
        reply(x, 200, text);
    }
}

/* /once: reads one piece only. */
static inline void once_read(struct lb_exchange *x, int err, struct lb_pool_buf *buf) {
    served->seen.read_err = err;
    lb_pool_put(buf);
    reply(x, 200, "enough");
}

/* /big: BIG bytes in pieces. */
static inline void big_sent(struct lb_exchange *x, int err) {
    size_t *at = x->handler;
    served->seen.sent_err = err;
    *at += PIECE;
    if (err < 0 || *at == BIG)
        x->ops->finish(x);
    else
        x->ops->send(x, lb_slice(served->bytes + *at, PIECE), big_sent);
}

static inline void big(struct lb_exchange *x, bool file) {
    x->handler = lb_arena_zalloc(x->arena, sizeof(size_t));
    x->status = 200;
    x->ops->head(x, BIG);
    if (file && x->can_send_file)
        x->ops->send_file(x, served->file_fd, 0, BIG, reply_sent);
    else
        x->ops->send(x, lb_slice(served->bytes, PIECE), big_sent);
}

/* /short: less than was promised. */
static inline void send_short(struct lb_exchange *x) {
    x->status = 200;
    x->ops->head(x, 10);
    x->ops->send(x, LB_S("12345"), reply_sent);
}

static inline void handle(void *ctx, struct lb_exchange *x) {
    struct lb_slice path = x->request->path;
    served->seen.requests++;
    served->seen.body_len = served->seen.body_sum = 0;
    if (lb_slice_eq(path, LB_S("/echo"))) {
        x->ops->read(x, 0, 16384, echo_read);
    } else if (lb_slice_eq(path, LB_S("/once"))) {
        x->ops->read(x, 0, 4096, once_read);
    } else if (lb_slice_eq(path, LB_S("/refuse"))) {
        reply(x, 403, "no");
    } else if (lb_slice_eq(path, LB_S("/same"))) {
        reply(x, 304, "");
    } else if (lb_slice_eq(path, LB_S("/hold"))) {
        served->seen.held = x;
    } else if (lb_slice_eq(path, LB_S("/big")) || lb_slice_eq(path, LB_S("/file"))) {
        big(x, path.len == 5);
    } else if (lb_slice_eq(path, LB_S("/short"))) {
        send_short(x);
    } else if (lb_slice_eq(path, LB_S("/nothing"))) {
        x->ops->finish(x);
    } else if (lb_slice_eq(path, LB_S("/noheaders"))) {
        x->headers.err = -ENOMEM;
        reply(x, 200, "hello");
    } else {
        reply(x, 200, "hello");
    }
}

/* ---- set-up ---- */

static inline int served_setup(void **state) {
    enum lb_io_backend backend = *(enum lb_io_backend *)*state;
    struct served *s = calloc(1, sizeof(*s));
    env_new(&s->e, backend, 0);
    s->pool = lb_pool_new(4u << 20);
    s->cs = (struct lb_conns){
        .io = s->e.io, .pool = s->pool, .handler = handle, .idle_timeout_ms = 20000, .n_max = 64};
    lb_list_init(&s->cs.list);
    s->bytes = malloc(BIG);
    fill((unsigned char *)s->bytes, BIG, 7);
    s->file_fd = file_new();
    assert_int_equal(write(s->file_fd, s->bytes, BIG), BIG);
    *state = served = s;
    return 0;
}

static inline void turn_ms(unsigned ms) {
    turn_for_ms(&served->e, ms);
}

/* Turns until *n is `want`. */
static inline void wait_n(const volatile size_t *n, size_t want) {
    uint64_t begin_ns = lb_io_now_ns(served->e.io);
    while (*n != want) {
        assert_int_equal(lb_io_turn(served->e.io, 10000000), 0);
        assert_true(lb_io_now_ns(served->e.io) - begin_ns < PATIENCE_NS);
    }
}

static inline int served_teardown(void **state) {
    lb_conns_abort(&served->cs);
    wait_n(&served->cs.n, 0);
    assert_int_equal(served->cs.in_flight, 0);
    assert_int_equal(lb_pool_used(served->pool), 0);
    lb_pool_free(served->pool);
    lb_io_free(served->e.io);
    lb_workers_free(served->e.workers);
    close(served->file_fd);
    free(served->bytes);
    free(served);
    return 0;
}

/* ---- clients ---- */

static inline int client(void) {
    int peer;
    int fd = pair_new(&served->e, &peer);
    lb_conn_open(&served->cs, fd, LB_S("127.0.0.1:1"));
    fcntl(peer, F_SETFL, O_NONBLOCK);
    return peer;
}

/* Sends all, turning the loop meanwhile. Returns 0, or -errno of a connection that is gone. */
static inline int put_bytes(int fd, const char *bytes, size_t n) {
    uint64_t begin_ns = lb_io_now_ns(served->e.io);
    for (size_t at = 0; at < n;) {
        ssize_t sent = send(fd, bytes + at, n - at, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return -errno;
        at += sent > 0 ? (size_t)sent : 0;
        assert_int_equal(lb_io_turn(served->e.io, sent > 0 ? 0 : 1000000), 0);
        assert_true(lb_io_now_ns(served->e.io) - begin_ns < PATIENCE_NS);
    }
    return 0;
}

static inline void put_text(int fd, const char *text) {
    assert_int_equal(put_bytes(fd, text, strlen(text)), 0);
}

/* Receives up to n bytes, less at the end; -errno when the connection was reset. */
static inline ssize_t get_bytes(int fd, char *to, size_t n) {
    uint64_t begin_ns = lb_io_now_ns(served->e.io);
    size_t at = 0;
    while (at < n) {
        ssize_t got = recv(fd, to + at, n - at, 0);
        if (got == 0)
            break;
        if (got < 0 && errno != EAGAIN)
            return -errno;
        at += got > 0 ? (size_t)got : 0;
        assert_int_equal(lb_io_turn(served->e.io, got > 0 ? 0 : 1000000), 0);
        assert_true(lb_io_now_ns(served->e.io) - begin_ns < PATIENCE_NS);
    }
    return (ssize_t)at;
}

static char response[LB_HTTP_HEAD_SIZE_MAX + 1];

/* Reads a response's head, byte by byte. Returns its status. */
static inline int get_head(int fd) {
    size_t n = 0;
    while (n < 4 || memcmp(response + n - 4, "\r\n\r\n", 4) != 0) {
        assert_true(n < LB_HTTP_HEAD_SIZE_MAX);
        assert_int_equal(get_bytes(fd, response + n, 1), 1);
        n++;
    }
    response[n] = '\0';
    assert_memory_equal(response, "HTTP/1.1 ", 9);
    return atoi(response + 9);
}

static inline size_t length_said(void) {
    const char *at = strstr(response, "Content-Length: ");
    return at ? (size_t)atol(at + 16) : 0;
}

static inline bool says_close(void) {
    return strstr(response, "Connection: close\r\n") != NULL;
}

/* Reads a response whose body is text. */
static inline void expect(int fd, int status, const char *body) {
    char text[4096] = "";
    assert_int_equal(get_head(fd), status);
    size_t n = length_said();
    assert_true(n < sizeof(text));
    assert_int_equal(get_bytes(fd, text, n), n);
    if (body)
        assert_string_equal(text, body);
}

/* The server has closed: the stream ends, or (reset) fails. */
static inline void expect_end(int fd) {
    char byte;
    assert_int_equal(get_bytes(fd, &byte, 1), 0);
    close(fd);
}

static inline void expect_gone(int fd) {
    char byte;
    assert_true(get_bytes(fd, &byte, 1) <= 0);
    close(fd);
}

/* Closes with a RST. */
static inline void reset(int fd) {
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
}

/* Runs them on both back ends at once, in a process each: they wait most of the time. setup and
 * teardown are each process's; NULL: none. Returns how many failed. */
static inline int run_served(const char *name, const struct named_test *tests, size_t n,
                             CMFixtureFunction setup, CMFixtureFunction teardown) {
    static enum lb_io_backend backends[] = {LB_IO_POSIX, LB_IO_URING};
    static struct CMUnitTest all[TESTS_MAX];
    static char names[TESTS_MAX][80];
    struct lb_io_conf conf = {.backend = LB_IO_URING};
    struct lb_io *io = NULL;
    bool uring = lb_io_new(&conf, &io) == 0;
    int status = 0;
    lb_io_free(io);
    fflush(NULL);
    pid_t other = uring ? fork() : -1;
    if (uring && other < 0)
        return 1;
    for (size_t i = 0; i < n; i++) {
        snprintf(names[i], sizeof(names[0]), "%s on %s", tests[i].name,
                 other == 0 ? "io_uring" : "epoll");
        all[i] = (struct CMUnitTest){names[i], tests[i].fn, served_setup, served_teardown,
                                     &backends[other == 0]};
    }
    int failed = _cmocka_run_group_tests(name, all, n, setup, teardown);
    if (other == 0)
        exit(failed);
    if (other > 0 && (waitpid(other, &status, 0) < 0 || status != 0))
        failed++;
    return failed;
}

#endif

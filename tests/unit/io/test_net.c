/* Sockets on the loop: every kind of operation, slow peers, ends of streams, cancellation. */
#include "unit/io/env.h"

#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/resource.h>

#define BIG ((size_t)24 << 20) /* more than any socket buffer */

/* A peer that reads everything after a while, in small pieces at first. */
struct reader {
    pthread_t thread;
    int fd;
    unsigned char *bytes;
    size_t len;
    size_t cap;
};

static void *reader_main(void *arg) {
    struct reader *r = arg;
    usleep(20000);
    for (;;) {
        size_t max = r->len < 100000 ? 1000 : r->cap - r->len;
        ssize_t n =
            recv(r->fd, r->bytes + r->len, max < r->cap - r->len ? max : r->cap - r->len, 0);
        if (n <= 0)
            return NULL;
        r->len += (size_t)n;
    }
}

static void reader_start(struct reader *r, int fd, size_t cap) {
    *r = (struct reader){.fd = fd, .bytes = malloc(cap), .cap = cap};
    assert_int_equal(pthread_create(&r->thread, NULL, reader_main, r), 0);
}

static void test_echo(void **state) {
    struct env *e = *state;
    int peer, fd = pair_new(e, &peer);
    char buf[64];
    struct call c = CALL;
    for (int i = 0; i < 1000; i++) {
        lb_io_recv(e->io, &c.op, fd, buf, sizeof(buf));
        assert_int_equal(lb_io_turn(e->io, 0), 0);
        assert_int_equal(c.calls, 0);
        assert_int_equal(write(peer, &i, sizeof(i)), sizeof(i));
        assert_int_equal(finish(e, &c), sizeof(i));
        lb_io_send(e->io, &c.op, fd, buf, sizeof(i), false);
        assert_int_equal(c.calls, 0); /* never inline */
        assert_int_equal(finish(e, &c), sizeof(i));
        int back = -1;
        assert_int_equal(read(peer, &back, sizeof(back)), sizeof(back));
        assert_int_equal(back, i);
    }
    close(peer);
    lb_io_close(e->io, fd);
}

static void test_accepted_socket_is_as_promised(void **state) {
    struct env *e = *state;
    int peer, fd = pair_new(e, &peer), nodelay = 0;
    socklen_t len = sizeof(nodelay);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &nodelay, &len), 0);
    assert_true(nodelay);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(peer);
    lb_io_close(e->io, fd);
}

/* Bytes that came in pieces, with some left over by each recv. */
static void test_recv_in_small_buffers_loses_nothing(void **state) {
    struct env *e = *state;
    int peer, fd = pair_new(e, &peer);
    unsigned char out[1000], in[1000];
    size_t got = 0;
    struct call c = CALL;
    fill(out, sizeof(out), 3);
    assert_int_equal(write(peer, out, 500), 500);
    while (got < sizeof(out)) {
        size_t len = got % 3 ? 7 : 100;
        lb_io_recv(e->io, &c.op, fd, in + got, len < sizeof(in) - got ? len : sizeof(in) - got);
        int64_t n = finish(e, &c);
        assert_true(n > 0);
        got += (size_t)n;
        if (got == 500)
            assert_int_equal(write(peer, out + 500, 500), 500);
    }
    assert_memory_equal(in, out, sizeof(out));
    close(peer);
    lb_io_close(e->io, fd);
}

/* The last bytes and the end come together, so that there is only one edge for both. */
static void test_end_of_stream_with_the_last_bytes(void **state) {
    struct env *e = *state;
    int peer, fd = pair_new(e, &peer);
    char buf[100];
    struct call c = CALL;
    assert_int_equal(write(peer, "good-bye", 8), 8);
    shutdown(peer, SHUT_WR);
    usleep(1000);
    lb_io_recv(e->io, &c.op, fd, buf, sizeof(buf));
    assert_int_equal(finish(e, &c), 8);
    for (int i = 0; i < 3; i++) {
        lb_io_recv(e->io, &c.op, fd, buf, sizeof(buf));
        assert_int_equal(finish(e, &c), 0);
    }
    lb_io_send(e->io, &c.op, fd, "answer", 6, true); /* the other half is open */
    assert_int_equal(finish(e, &c), 6);
    lb_io_shutdown(e->io, fd, SHUT_WR);
    assert_int_equal(read(peer, buf, sizeof(buf)), 6);
    assert_int_equal(read(peer, buf, sizeof(buf)), 0);
    close(peer);
    lb_io_close(e->io, fd);
}

static void test_reset_is_an_error(void **state) {
    struct env *e = *state;
    int peer, fd = pair_new(e, &peer);
    struct linger hard = {.l_onoff = 1};
    char buf[100];
    struct call c = CALL;
    lb_io_recv(e->io, &c.op, fd, buf, sizeof(buf));
    lb_io_turn(e->io, 0);
    setsockopt(peer, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    close(peer);
    assert_int_equal(finish(e, &c), -ECONNRESET);
    lb_io_send(e->io, &c.op, fd, buf, 1, false);
    assert_int_equal(finish(e, &c), -EPIPE); /* and no SIGPIPE */
    int file = file_new();
    assert_int_equal(write(file, "x", 1), 1);
    lb_io_sendfile(e->io, &c.op, fd, file, 0, 1);
    assert_int_equal(finish(e, &c), -EPIPE);
    close(file);
    lb_io_close(e->io, fd);
}

static void test_large_send_to_slow_reader(void **state) {
    struct env *e = *state;
    int peer, fd = pair_new(e, &peer);
    struct reader r;
    struct call c = CALL;
    unsigned char *out = malloc(BIG);
    fill(out, BIG, 9);
    lb_io_send(e->io, &c.op, fd, out, BIG, false);
    turn_for_ms(e, 5);
    assert_int_equal(c.calls, 0);
    reader_start(&r, peer, BIG);
    assert_int_equal(finish(e, &c), BIG);
    lb_io_close(e->io, fd);
    pthread_join(r.thread, NULL);
    assert_int_equal(r.len, BIG);
    assert_memory_equal(r.bytes, out, BIG);
    close(peer);
    free(r.bytes);
    free(out);
}

static void test_sendfile(void **state) {
    struct env *e = *state;
    int peer, fd = pair_new(e, &peer), file = file_new();
    struct reader r;
    struct call head = CALL, body = CALL;
    unsigned char *bytes = malloc(BIG);
    fill(bytes, BIG, 4);
    assert_int_equal(pwrite(file, bytes, BIG, 0), BIG);
    reader_start(&r, peer, BIG + 4);
    lb_io_send(e->io, &head.op, fd, "head", 4, true);
    assert_int_equal(finish(e, &head), 4);
    lb_io_sendfile(e->io, &body.op, fd, file, 0, BIG);
    assert_int_equal(body.calls, 0);
    assert_int_equal(finish(e, &body), BIG);
    assert_int_equal(lseek(file, 0, SEEK_CUR), 0); /* the file's own place is not moved */
    lb_io_close(e->io, fd);
    pthread_join(r.thread, NULL);
    assert_int_equal(r.len, BIG + 4);
    assert_memory_equal(r.bytes, "head", 4);
    assert_memory_equal(r.bytes + 4, bytes, BIG);
    close(peer);
    close(file);
    free(r.bytes);
    free(bytes);
}

static void test_sendfile_of_a_range_and_of_a_short_file(void **state) {
    struct env *e = *state;
    int peer, fd = pair_new(e, &peer), file = file_new();
    unsigned char bytes[10000], in[10000];
    struct call c = CALL;
    fill(bytes, sizeof(bytes), 5);
    assert_int_equal(pwrite(file, bytes, sizeof(bytes), 0), sizeof(bytes));
    lb_io_sendfile(e->io, &c.op, fd, file, 3000, 2000);
    assert_int_equal(finish(e, &c), 2000);
    assert_int_equal(recv(peer, in, 2000, MSG_WAITALL), 2000);
    assert_memory_equal(in, bytes + 3000, 2000);
    lb_io_sendfile(e->io, &c.op, fd, file, 9000, 5000);
    assert_int_equal(finish(e, &c), 1000);
    assert_int_equal(recv(peer, in, 1000, MSG_WAITALL), 1000);
    lb_io_sendfile(e->io, &c.op, fd, file, 20000, 5000);
    assert_int_equal(finish(e, &c), 0);
    lb_io_sendfile(e->io, &c.op, fd, -1, 0, 5000);
    assert_int_equal(finish(e, &c), -EBADF);
    close(peer);
    close(file);
    lb_io_close(e->io, fd);
}

/* A large transfer to a fast reader must leave the loop to others in between. */
static void test_large_sendfile_shares_the_loop(void **state) {
    struct env *e = *state;
    int peer, fd = pair_new(e, &peer), file = file_new();
    struct reader r;
    struct call c = CALL;
    int turns = 0;
    assert_int_equal(ftruncate(file, BIG), 0);
    reader_start(&r, peer, BIG);
    usleep(30000);
    lb_io_sendfile(e->io, &c.op, fd, file, 0, BIG);
    for (; c.calls == 0; turns++)
        assert_int_equal(lb_io_turn(e->io, UINT64_MAX), 0);
    assert_int_equal(c.res, BIG);
    assert_true(turns >= 8);
    lb_io_close(e->io, fd);
    pthread_join(r.thread, NULL);
    close(peer);
    close(file);
    free(r.bytes);
}

static void test_recv_while_send_waits(void **state) {
    struct env *e = *state;
    int peer, fd = pair_new(e, &peer);
    unsigned char *out = calloc(1, BIG);
    char in[100];
    struct reader r;
    struct call sent = CALL, got = CALL;
    lb_io_recv(e->io, &got.op, fd, in, sizeof(in));
    lb_io_send(e->io, &sent.op, fd, out, BIG, false);
    turn_for_ms(e, 5);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(write(peer, "ping", 4), 4);
        assert_int_equal(finish(e, &got), 4);
        lb_io_recv(e->io, &got.op, fd, in, sizeof(in));
    }
    assert_int_equal(sent.calls, 0);
    reader_start(&r, peer, BIG);
    assert_int_equal(finish(e, &sent), BIG);
    assert_int_equal(got.calls, 0);
    lb_io_cancel(e->io, &got.op);
    assert_int_equal(finish(e, &got), -ECANCELED);
    lb_io_close(e->io, fd);
    pthread_join(r.thread, NULL);
    assert_int_equal(r.len, BIG);
    close(peer);
    free(r.bytes);
    free(out);
}

/* Cancellation. */

static void cancel_and_check(struct env *e, struct call *c) {
    lb_io_cancel(e->io, &c->op);
    assert_int_equal(c->calls, 0); /* never inline */
    lb_io_cancel(e->io, &c->op);   /* twice is once */
    assert_int_equal(finish(e, c), -ECANCELED);
    turn_for_ms(e, 3);
    assert_int_equal(c->calls, 0);
    lb_io_cancel(e->io, &c->op); /* no effect when it is not in flight */
}

static void test_cancel_accept(void **state) {
    struct env *e = *state;
    struct sockaddr_in addr;
    int listen_fd = listen_any(e, &addr);
    struct call c = CALL;
    for (int i = 0; i < 2; i++) {
        lb_io_accept(e->io, &c.op, listen_fd);
        if (i == 1)
            turn_for_ms(e, 3); /* once before it has been submitted, once after */
        cancel_and_check(e, &c);
    }
    int peer = dial(&addr);
    lb_io_accept(e->io, &c.op, listen_fd); /* it can still accept */
    int64_t fd = finish(e, &c);
    assert_true(fd >= 0);
    close(peer);
    lb_io_close(e->io, (int)fd);
    lb_io_close(e->io, listen_fd);
}

static void test_cancel_recv(void **state) {
    struct env *e = *state;
    int peer, fd = pair_new(e, &peer);
    char buf[16];
    struct call c = CALL;
    for (int i = 0; i < 4; i++) {
        lb_io_recv(e->io, &c.op, fd, buf, sizeof(buf));
        if (i % 2)
            turn_for_ms(e, 3);
        cancel_and_check(e, &c);
    }
    assert_int_equal(write(peer, "still", 5), 5);
    lb_io_recv(e->io, &c.op, fd, buf, sizeof(buf));
    assert_int_equal(finish(e, &c), 5);
    close(peer);
    lb_io_close(e->io, fd);
}

/* Canceled and submitted again from the callback: the request must not meet the new one. */
struct again {
    struct lb_io_op op;
    struct env *e;
    int fd;
    char buf[16];
    int64_t res[2];
    int calls;
};

static void again_done(struct lb_io_op *op, int64_t res) {
    struct again *a = LB_CONTAINER_OF(op, struct again, op);
    a->res[a->calls++] = res;
    if (a->calls == 1)
        lb_io_recv(a->e->io, op, a->fd, a->buf, sizeof(a->buf));
}

static void test_cancel_touches_only_what_was_in_flight(void **state) {
    struct env *e = *state;
    for (int i = 0; i < 6; i++) {
        int peer;
        bool data = i % 2;
        struct again a = {.op.done = again_done, .e = e};
        a.fd = pair_new(e, &peer);
        lb_io_recv(e->io, &a.op, a.fd, a.buf, sizeof(a.buf));
        lb_io_turn(e->io, 0);
        if (data)
            assert_int_equal(write(peer, "one", 3), 3);
        lb_io_cancel(e->io, &a.op); /* perhaps too late: then the bytes are delivered */
        turn_for_ms(e, 3);
        if (!data || a.res[0] == 3) {
            assert_int_equal(a.calls, 1);
            assert_int_equal(write(peer, "two", 3), 3);
        }
        assert_int_equal(a.res[0], data && a.res[0] >= 0 ? 3 : -ECANCELED);
        while (a.calls < 2)
            assert_int_equal(lb_io_turn(e->io, UINT64_MAX), 0);
        assert_int_equal(a.res[1], 3);
        close(peer);
        lb_io_close(e->io, a.fd);
    }
}

static void test_cancel_send_and_sendfile(void **state) {
    struct env *e = *state;
    unsigned char *out = calloc(1, BIG);
    int file = file_new();
    assert_int_equal(ftruncate(file, BIG), 0);
    for (int i = 0; i < 4; i++) {
        int peer, fd = pair_new(e, &peer);
        struct call c = CALL;
        if (i < 2)
            lb_io_send(e->io, &c.op, fd, out, BIG, false);
        else
            lb_io_sendfile(e->io, &c.op, fd, file, 0, BIG);
        if (i % 2)
            turn_for_ms(e, 3);
        cancel_and_check(e, &c);
        close(peer);
        lb_io_close(e->io, fd);
    }
    close(file);
    free(out);
}

/* Many connections, each echoing. */

#define CONNS 500
#define ROUNDS 10

struct conn {
    struct lb_io_op op;
    struct env *e;
    int fd;
    int64_t pending;
    char buf[32];
};

static int conns_open, conns_closed;

static void conn_step(struct lb_io_op *op, int64_t res) {
    struct conn *c = LB_CONTAINER_OF(op, struct conn, op);
    assert_true(res >= 0);
    if (c->pending) {
        c->pending = 0;
        lb_io_recv(c->e->io, op, c->fd, c->buf, sizeof(c->buf));
    } else if (res > 0) {
        c->pending = res;
        lb_io_send(c->e->io, op, c->fd, c->buf, (size_t)res, false);
    } else {
        lb_io_close(c->e->io, c->fd);
        conns_closed++;
        free(c);
    }
}

struct door {
    struct lb_io_op op;
    struct env *e;
    int fd;
};

static void door_opened(struct lb_io_op *op, int64_t res) {
    struct door *d = LB_CONTAINER_OF(op, struct door, op);
    assert_true(res >= 0);
    struct conn *c = calloc(1, sizeof(*c));
    *c = (struct conn){.op.done = conn_step, .e = d->e, .fd = (int)res};
    lb_io_recv(d->e->io, &c->op, c->fd, c->buf, sizeof(c->buf));
    if (++conns_open < CONNS)
        lb_io_accept(d->e->io, op, d->fd);
}

static void *crowd_main(void *arg) {
    static int fds[CONNS];
    for (int i = 0; i < CONNS; i++)
        fds[i] = dial(arg);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CONNS; i++)
            assert_int_equal(write(fds[i], &i, sizeof(i)), sizeof(i));
        for (int i = 0; i < CONNS; i++) {
            int back = -1;
            assert_int_equal(recv(fds[i], &back, sizeof(back), MSG_WAITALL), sizeof(back));
            assert_int_equal(back, i);
        }
    }
    for (int i = 0; i < CONNS; i++)
        close(fds[i]);
    return NULL;
}

static void test_many_connections(void **state) {
    struct env *e = *state;
    struct sockaddr_in addr;
    pthread_t crowd;
    conns_open = conns_closed = 0;
    struct door d = {.op.done = door_opened, .e = e, .fd = listen_any(e, &addr)};
    lb_io_accept(e->io, &d.op, d.fd);
    assert_int_equal(pthread_create(&crowd, NULL, crowd_main, &addr), 0);
    turn_until(e, &conns_closed, CONNS);
    pthread_join(crowd, NULL);
    lb_io_close(e->io, d.fd);
}

/* A descriptor's number comes back with another connection: nothing old may stick to it. */
static void test_descriptor_number_is_used_again(void **state) {
    struct env *e = *state;
    for (int i = 0; i < 20; i++) {
        int peer, fd = pair_new(e, &peer);
        char buf[8];
        struct call c = CALL;
        lb_io_recv(e->io, &c.op, fd, buf, sizeof(buf));
        turn_for_ms(e, 1);
        assert_int_equal(c.calls, 0);
        if (i % 2)
            close(peer);
        else
            assert_int_equal(write(peer, "x", 1), 1);
        assert_int_equal(finish(e, &c), i % 2 ? 0 : 1);
        if (i % 2 == 0)
            close(peer);
        lb_io_close(e->io, fd);
    }
}

static void test_two_loops_listen_on_one_port(void **state) {
    struct env *e = *state;
    struct sockaddr_in addr;
    int first = listen_any(e, &addr);
    int second = lb_io_listen(e->io, (struct sockaddr *)&addr, sizeof(addr), true);
    assert_true(second >= 0);
    assert_int_equal(lb_io_listen(e->io, (struct sockaddr *)&addr, sizeof(addr), false),
                     -EADDRINUSE);
    lb_io_close(e->io, first);
    lb_io_close(e->io, second);
}

static void test_errors_come_through_the_loop(void **state) {
    struct env *e = *state;
    char buf[8];
    struct call c = CALL;
    lb_io_recv(e->io, &c.op, -1, buf, sizeof(buf));
    assert_int_equal(c.calls, 0);
    assert_int_equal(finish(e, &c), -EBADF);
    lb_io_send(e->io, &c.op, -1, buf, sizeof(buf), false);
    assert_int_equal(finish(e, &c), -EBADF);
    lb_io_accept(e->io, &c.op, -1);
    assert_int_equal(finish(e, &c), -EBADF);
}

static void test_accept_without_descriptors_left(void **state) {
    struct env *e = *state;
    struct sockaddr_in addr;
    struct rlimit before, none;
    int listen_fd = listen_any(e, &addr), peer = dial(&addr);
    struct call c = CALL;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){.rlim_cur = 3, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    lb_io_accept(e->io, &c.op, listen_fd);
    int64_t res = finish(e, &c);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(res, -EMFILE);
    lb_io_accept(e->io, &c.op, listen_fd);
    int64_t fd = finish(e, &c);
    assert_true(fd >= 0);
    close(peer);
    lb_io_close(e->io, (int)fd);
    lb_io_close(e->io, listen_fd);
}

int main(void) {
    static const struct named_test tests[] = {
        TEST(test_echo),
        TEST(test_accepted_socket_is_as_promised),
        TEST(test_recv_in_small_buffers_loses_nothing),
        TEST(test_end_of_stream_with_the_last_bytes),
        TEST(test_reset_is_an_error),
        TEST(test_large_send_to_slow_reader),
        TEST(test_sendfile),
        TEST(test_sendfile_of_a_range_and_of_a_short_file),
        TEST(test_large_sendfile_shares_the_loop),
        TEST(test_recv_while_send_waits),
        TEST(test_cancel_accept),
        TEST(test_cancel_recv),
        TEST(test_cancel_touches_only_what_was_in_flight),
        TEST(test_cancel_send_and_sendfile),
        TEST(test_many_connections),
        TEST(test_descriptor_number_is_used_again),
        TEST(test_two_loops_listen_on_one_port),
        TEST(test_errors_come_through_the_loop),
        TEST(test_accept_without_descriptors_left),
    };
    return run_on_both(tests, sizeof(tests) / sizeof(tests[0]));
}

/* The simulated loop: the clock, timers, file operations, work, sockets; the same seed, the same
 * run. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>

#include "lib/check.h"
#include "lib/sim.h"

struct env {
    struct sim_fs *fs;
    struct sim *sim;
    struct lb_io *io;
};

static struct env env_new(uint64_t seed, size_t sock_buf) {
    struct env e;
    struct sim_fs_conf fs_conf = {.seed = seed, .xattr_max = 65536};
    struct sim_conf conf = {.seed = seed, .sock_buf = sock_buf};
    e.fs = sim_fs_new(&fs_conf);
    e.sim = sim_new(&conf, e.fs);
    e.io = sim_loop_new(e.sim);
    return e;
}

static void env_free(struct env *e) {
    assert_int_equal(sim_sock_count(e->sim), 0);
    assert_int_equal(sim_fs_open_count(e->fs), 0);
    lb_io_free(e->io);
    sim_free(e->sim);
    sim_fs_free(e->fs);
}

struct waiter {
    struct lb_io_op op;
    bool done;
    int64_t res;
};

static void op_done(struct lb_io_op *op, int64_t res) {
    struct waiter *w = LB_CONTAINER_OF(op, struct waiter, op);
    assert_false(w->done);
    assert_int_equal(op->kind, LB_IO_IDLE);
    w->done = true;
    w->res = res;
}

static struct waiter waiter(void) {
    return (struct waiter){.op.done = op_done};
}

static int64_t wait_for(struct env *e, struct waiter *w) {
    assert_true(sim_run(e->sim, &w->done, 100000));
    return w->res;
}

struct alarm {
    struct lb_io_timer timer;
    struct lb_io *io;
    uint64_t rang_ns;
};

static void ring(struct lb_io_timer *t) {
    struct alarm *a = LB_CONTAINER_OF(t, struct alarm, timer);
    a->rang_ns = lb_io_now_ns(a->io);
}

static void test_clock(void **state) {
    struct env e = env_new(1, 0);
    struct alarm a = {.timer.fn = ring, .io = e.io}, b = a;
    uint64_t start = sim_now_ns(e.sim);
    int64_t wall = lb_io_wall_ns(e.io);
    assert_string_equal(lb_io_name(e.io), "sim");
    assert_false(sim_turn(e.sim));
    assert_int_equal(lb_io_turn(e.io, UINT64_MAX), -EDEADLK);
    lb_io_timer_start(e.io, &a.timer, UINT64_C(3600) * 1000000000);
    lb_io_timer_start(e.io, &b.timer, 1000000);
    assert_true(sim_run(e.sim, NULL, 10));
    assert_true(b.rang_ns >= start + 1000000 && b.rang_ns < start + 1100000);
    assert_true(a.rang_ns >= start + UINT64_C(3600) * 1000000000);
    assert_true(lb_io_wall_ns(e.io) - wall >= INT64_C(3600) * 1000000000);
    lb_io_timer_start(e.io, &b.timer, 1000000);
    sim_sleep(e.sim, 500000);
    b.rang_ns = 0;
    sim_sleep(e.sim, 600000);
    assert_true(b.rang_ns > 0);
    env_free(&e);
}

static int64_t work_here(struct lb_io_op *op) {
    return 42;
}

static void test_files(void **state) {
    struct env e = env_new(2, 0);
    struct lb_vfs *v = lb_io_vfs(e.io);
    struct waiter w = waiter(), r = waiter(), f = waiter(), k = waiter(), past = waiter();
    char buf[100];
    int fd = v->ops->open(v, -1, "/f", O_RDWR | O_CREAT, 0644);
    lb_io_write(e.io, &w.op, fd, "hello", 5, 3);
    assert_false(w.done);
    assert_int_equal(wait_for(&e, &w), 5);
    lb_io_read(e.io, &r.op, fd, buf, sizeof(buf), 0);
    lb_io_fsync(e.io, &f.op, fd, false);
    lb_io_work(e.io, &k.op, work_here);
    lb_io_read(e.io, &past.op, fd, buf + 50, 10, 100);
    assert_int_equal(wait_for(&e, &r), 8);
    assert_int_equal(wait_for(&e, &f), 0);
    assert_int_equal(wait_for(&e, &k), 42);
    assert_int_equal(wait_for(&e, &past), 0);
    assert_memory_equal(buf, "\0\0\0hello", 8);
    sim_fs_fail(e.fs, SIM_BIT(SIM_WRITE), 2, ENOSPC, true);
    for (int i = 0; i < 3; i++) {
        w = waiter();
        lb_io_write(e.io, &w.op, fd, "x", 1, 0);
        assert_int_equal(wait_for(&e, &w), i == 0 ? 1 : -ENOSPC);
    }
    assert_int_equal(sim_fs_calls(e.fs, SIM_BIT(SIM_WRITE)), 4);
    v->ops->close(v, fd);
    env_free(&e);
}

static struct sockaddr_in address(uint16_t port) {
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
}

/* A listener, a client's end, and the server's descriptor. */
static struct sim_conn *connected(struct env *e, int *ret_listen, int *ret_fd) {
    struct sockaddr_in addr = address(80), other = address(81);
    struct waiter a = waiter();
    *ret_listen = lb_io_listen(e->io, (struct sockaddr *)&addr, sizeof(addr), false);
    assert_true(*ret_listen > 0);
    assert_int_equal(lb_io_listen(e->io, (struct sockaddr *)&addr, sizeof(addr), false),
                     -EADDRINUSE);
    assert_null(sim_connect(e->sim, (struct sockaddr *)&other, sizeof(other)));
    lb_io_accept(e->io, &a.op, *ret_listen);
    assert_true(sim_run(e->sim, NULL, 100));
    struct sim_conn *c = sim_connect(e->sim, (struct sockaddr *)&addr, sizeof(addr));
    assert_non_null(c);
    *ret_fd = (int)wait_for(e, &a);
    assert_true(*ret_fd > 0);
    return c;
}

static void test_stream(void **state) {
    struct env e = env_new(6, 100);
    int listen_fd, fd;
    struct sim_conn *c = connected(&e, &listen_fd, &fd);
    char sent[1000], got[1000];
    size_t n = 0;
    unsigned reads = 0;
    for (size_t i = 0; i < sizeof(sent); i++)
        sent[i] = (char)i;
    struct waiter s = waiter();
    lb_io_send(e.io, &s.op, fd, sent, sizeof(sent), false);
    while (n < sizeof(got)) {
        sim_turn(e.sim);
        int64_t r = sim_conn_read(c, got + n, sizeof(got) - n);
        assert_true(r > 0 || r == -EAGAIN);
        n += r > 0 ? (size_t)r : 0;
    }
    assert_int_equal(wait_for(&e, &s), sizeof(sent));
    assert_memory_equal(sent, got, sizeof(sent));

    assert_int_equal(sim_conn_write(c, sent, sizeof(sent)), 100);
    assert_int_equal(sim_conn_write(c, sent, sizeof(sent)), 0);
    sim_conn_shutdown(c);
    for (n = 0;; reads++) {
        struct waiter r = waiter();
        lb_io_recv(e.io, &r.op, fd, got + n, sizeof(got) - n);
        int64_t len = wait_for(&e, &r);
        if (len == 0)
            break;
        n += (size_t)len;
    }
    assert_int_equal(n, 100);
    assert_true(reads > 1);
    assert_memory_equal(sent, got, 100);
    lb_io_close(e.io, fd);
    assert_int_equal(sim_conn_read(c, got, 1), 0);
    sim_conn_close(c);
    lb_io_close(e.io, listen_fd);
    env_free(&e);
}

static void test_reset(void **state) {
    struct env e = env_new(4, 100);
    int listen_fd, fd;
    char buf[200] = {0};
    struct sim_conn *c = connected(&e, &listen_fd, &fd);
    struct waiter r = waiter(), s = waiter(), n = waiter();
    lb_io_recv(e.io, &r.op, fd, buf, 10);
    lb_io_send(e.io, &s.op, fd, buf, sizeof(buf), false);
    assert_true(sim_run(e.sim, NULL, 100));
    assert_false(r.done || s.done);
    sim_conn_reset(c);
    assert_int_equal(wait_for(&e, &r), -ECONNRESET);
    assert_int_equal(wait_for(&e, &s), -ECONNRESET);
    lb_io_close(e.io, fd);

    /* Canceled, a second connection; closed with bytes unread, which resets it. */
    lb_io_close(e.io, listen_fd);
    c = connected(&e, &listen_fd, &fd);
    lb_io_recv(e.io, &n.op, fd, buf, 10);
    lb_io_cancel(e.io, &n.op);
    assert_int_equal(wait_for(&e, &n), -ECANCELED);
    assert_int_equal(sim_conn_write(c, "x", 1), 1);
    lb_io_close(e.io, fd);
    assert_int_equal(sim_conn_read(c, buf, 1), -ECONNRESET);
    sim_conn_close(c);
    lb_io_close(e.io, listen_fd);
    env_free(&e);
}

static void test_sendfile(void **state) {
    struct env e = env_new(5, 0);
    int listen_fd, fd;
    char buf[100];
    struct lb_vfs *v = lb_io_vfs(e.io);
    struct sim_conn *c = connected(&e, &listen_fd, &fd);
    assert_int_equal(sim_fs_put(e.fs, "/f", "0123456789", 10), 0);
    int file = v->ops->open(v, -1, "/f", O_RDONLY, 0);
    struct waiter s = waiter(), over = waiter();
    lb_io_sendfile(e.io, &s.op, fd, file, 2, 5);
    assert_int_equal(wait_for(&e, &s), 5);
    lb_io_sendfile(e.io, &over.op, fd, file, 7, 50);
    assert_int_equal(wait_for(&e, &over), 3);
    assert_int_equal(sim_conn_read(c, buf, sizeof(buf)), 8);
    assert_memory_equal(buf, "23456789", 8);
    v->ops->close(v, file);
    sim_conn_close(c);
    lb_io_close(e.io, fd);
    lb_io_close(e.io, listen_fd);
    env_free(&e);
}

/* Two loops, work and messages between them: the trace of a run is its seed's alone. */
struct hop {
    struct lb_io_msg msg;
    struct lb_io_op op;
    struct lb_io *here, *there;
    unsigned left;
};

static void hop_done(struct lb_io_op *op, int64_t res);

static void hop_arrived(struct lb_io *io, struct lb_io_msg *m) {
    struct hop *h = LB_CONTAINER_OF(m, struct hop, msg);
    h->there = h->here;
    h->here = io;
    h->op.done = hop_done;
    if (h->left-- > 0)
        lb_io_work(io, &h->op, work_here);
}

static void hop_done(struct lb_io_op *op, int64_t res) {
    struct hop *h = LB_CONTAINER_OF(op, struct hop, op);
    h->msg.fn = hop_arrived;
    lb_io_post(h->there, &h->msg);
}

static uint64_t trace_of(uint64_t seed) {
    struct env e = env_new(seed, 0);
    struct lb_io *second = sim_loop_new(e.sim);
    struct hop hops[3];
    memset(hops, 0, sizeof(hops));
    for (size_t i = 0; i < CHECK_COUNT(hops); i++) {
        hops[i] = (struct hop){.msg.fn = hop_arrived, .here = second, .left = 50};
        lb_io_post(e.io, &hops[i].msg);
    }
    assert_true(sim_run(e.sim, NULL, 10000));
    for (size_t i = 0; i < CHECK_COUNT(hops); i++)
        assert_int_equal(hops[i].left, UINT32_MAX);
    uint64_t random;
    lb_io_random(second, &random, sizeof(random));
    uint64_t trace = sim_trace(e.sim) ^ random;
    lb_io_free(second);
    env_free(&e);
    return trace;
}

static void test_repeatable(void **state) {
    assert_int_equal(trace_of(7), trace_of(7));
    assert_int_not_equal(trace_of(7), trace_of(8));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock),    cmocka_unit_test(test_files),
        cmocka_unit_test(test_stream),   cmocka_unit_test(test_reset),
        cmocka_unit_test(test_sendfile), cmocka_unit_test(test_repeatable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

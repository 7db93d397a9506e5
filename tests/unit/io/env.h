/* What the tests of the loop share: one loop with worker threads, for either back end. */
#ifndef LB_TESTS_UNIT_IO_ENV_H
#define LB_TESTS_UNIT_IO_ENV_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/io.h"

#define WORKERS 4

/* No test may take longer: then something was lost. */
#define PATIENCE_NS (20 * 1000000000ull)

struct env {
    struct lb_workers *workers;
    struct lb_io *io;
};

/* An operation that notes its completion. */
struct call {
    struct lb_io_op op;
    int64_t res;
    int calls;
};

static inline void call_done(struct lb_io_op *op, int64_t res) {
    struct call *c = LB_CONTAINER_OF(op, struct call, op);
    assert_int_equal(op->kind, LB_IO_IDLE);
    c->res = res;
    c->calls++;
}

#define CALL ((struct call){.op.done = call_done})

static inline void turn_until(struct env *e, const int *count, int n) {
    uint64_t begin_ns = lb_io_now_ns(e->io);
    while (*count < n) {
        assert_int_equal(lb_io_turn(e->io, 100000000), 0);
        assert_true(lb_io_now_ns(e->io) - begin_ns < PATIENCE_NS);
    }
    assert_int_equal(*count, n);
}

static inline int64_t finish(struct env *e, struct call *c) {
    turn_until(e, &c->calls, 1);
    c->calls = 0;
    return c->res;
}

/* Gives the loop time to do what it should not. */
static inline void turn_for_ms(struct env *e, unsigned ms) {
    uint64_t begin_ns = lb_io_now_ns(e->io);
    while (lb_io_now_ns(e->io) - begin_ns < ms * 1000000ull)
        assert_int_equal(lb_io_turn(e->io, 1000000), 0);
}

/* A listening socket of the loop and its port. */
static inline int listen_any(struct env *e, struct sockaddr_in *ret_addr) {
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(*ret_addr);
    int fd = lb_io_listen(e->io, (struct sockaddr *)&addr, sizeof(addr), true);
    assert_true(fd >= 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)ret_addr, &len), 0);
    return fd;
}

static inline int dial(const struct sockaddr_in *addr) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)addr, sizeof(*addr)), 0);
    return fd;
}

/* A connection: the loop's end, and a plain blocking end. */
static inline int pair_new(struct env *e, int *ret_peer) {
    struct sockaddr_in addr;
    int listen_fd = listen_any(e, &addr);
    struct call accepted = CALL;
    lb_io_accept(e->io, &accepted.op, listen_fd);
    assert_int_equal(accepted.calls, 0);
    *ret_peer = dial(&addr);
    int fd = (int)finish(e, &accepted);
    assert_true(fd >= 0);
    lb_io_close(e->io, listen_fd);
    return fd;
}

/* A file without a name. */
static inline int file_new(void) {
    char path[] = "/tmp/lobos-io-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    return fd;
}

static inline void fill(unsigned char *at, size_t n, unsigned seed) {
    for (size_t i = 0; i < n; i++)
        at[i] = (unsigned char)((i * 2654435761u + seed) >> 13);
}

static inline void env_new(struct env *e, enum lb_io_backend backend, unsigned ring_entries) {
    assert_int_equal(lb_workers_new(WORKERS, &e->workers), 0);
    struct lb_io_conf conf = {.backend = backend,
                              .workers = e->workers,
                              .vfs = lb_vfs_posix(),
                              .ring_entries = ring_entries};
    assert_int_equal(lb_io_new(&conf, &e->io), 0);
}

static inline int env_setup(void **state) {
    enum lb_io_backend backend = *(enum lb_io_backend *)*state;
    struct env *e = calloc(1, sizeof(*e));
    assert_non_null(e);
    env_new(e, backend, 0);
    *state = e;
    return 0;
}

static inline int env_teardown(void **state) {
    struct env *e = *state;
    lb_io_free(e->io);
    lb_workers_free(e->workers);
    free(e);
    return 0;
}

struct named_test {
    const char *name;
    CMUnitTestFunction fn;
};

#define TEST(fn) \
    { #fn, fn }
#define TESTS_MAX 64

/* Runs every test on each back end; on epoll alone where the system refuses io_uring. */
static inline int run_on_both(const struct named_test *tests, size_t n) {
    static enum lb_io_backend backends[] = {LB_IO_POSIX, LB_IO_URING};
    static struct CMUnitTest all[2 * TESTS_MAX];
    static char names[2 * TESTS_MAX][80];
    struct lb_io_conf conf = {.backend = LB_IO_URING};
    struct lb_io *io = NULL;
    int rc = lb_io_new(&conf, &io);
    if (rc < 0)
        printf("io_uring is refused here (%s): epoll only\n", strerror(-rc));
    lb_io_free(io);
    size_t all_n = 0;
    for (size_t b = 0; b < (rc < 0 ? 1 : 2); b++) {
        for (size_t i = 0; i < n; i++, all_n++) {
            snprintf(names[all_n], sizeof(names[0]), "%s on %s", tests[i].name,
                     backends[b] == LB_IO_URING ? "io_uring" : "epoll");
            all[all_n] = (struct CMUnitTest){names[all_n], tests[i].fn, env_setup, env_teardown,
                                             &backends[b]};
        }
    }
    return _cmocka_run_group_tests("io", all, all_n, NULL, NULL);
}

#endif

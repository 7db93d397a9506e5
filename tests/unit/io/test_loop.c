/* The loop without sockets: callbacks, timers, messages, work, files. */
#include "unit/io/env.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void test_defer_is_never_inline(void **state) {
    struct env *e = *state;
    struct call c = CALL;
    lb_io_defer(e->io, &c.op, 42);
    assert_int_equal(c.calls, 0);
    lb_io_cancel(e->io, &c.op); /* known already: nothing to cut short */
    assert_int_equal(finish(e, &c), 42);
}

struct chain {
    struct lb_io_op op;
    struct env *e;
    int left;
    int depth;
    int depth_max;
};

static void chain_next(struct lb_io_op *op, int64_t res) {
    struct chain *c = LB_CONTAINER_OF(op, struct chain, op);
    c->depth++;
    if (c->depth > c->depth_max)
        c->depth_max = c->depth;
    if (--c->left > 0)
        lb_io_defer(c->e->io, op, 0);
    c->depth--;
}

static void test_op_is_free_in_its_own_callback(void **state) {
    struct env *e = *state;
    struct chain c = {.op.done = chain_next, .e = e, .left = 1000};
    lb_io_defer(e->io, &c.op, 0);
    while (c.left > 0)
        assert_int_equal(lb_io_turn(e->io, UINT64_MAX), 0);
    assert_int_equal(c.depth_max, 1);
}

/* An endless chain of deferred calls must not keep timers from running. */
static void timer_stops_chain(struct lb_io_timer *t);

struct starve {
    struct chain chain;
    struct lb_io_timer timer;
};

static void timer_stops_chain(struct lb_io_timer *t) {
    LB_CONTAINER_OF(t, struct starve, timer)->chain.left = 1;
}

static void test_deferred_calls_do_not_starve_timers(void **state) {
    struct env *e = *state;
    struct starve s = {.chain = {.op.done = chain_next, .e = e, .left = INT32_MAX},
                       .timer.fn = timer_stops_chain};
    lb_io_timer_start(e->io, &s.timer, 2000000);
    lb_io_defer(e->io, &s.chain.op, 0);
    while (s.chain.left > 0)
        assert_int_equal(lb_io_turn(e->io, UINT64_MAX), 0);
}

/* Timers. */

#define TIMERS 300

struct tick_tock {
    struct lb_io_timer timer;
    struct lb_io *io;
    uint64_t delay_ns;
    int fired;
};

static uint64_t last_at_ns;
static int fired_n;

static void timer_fired(struct lb_io_timer *t) {
    struct tick_tock *k = LB_CONTAINER_OF(t, struct tick_tock, timer);
    assert_true(t->at_ns >= last_at_ns);
    assert_true(t->at_ns <= lb_io_now_ns(k->io));
    last_at_ns = t->at_ns;
    k->fired++;
    fired_n++;
}

static void test_timers_fire_in_order_and_not_when_stopped(void **state) {
    struct env *e = *state;
    static struct tick_tock k[TIMERS];
    memset(k, 0, sizeof(k));
    last_at_ns = 0;
    fired_n = 0;
    for (unsigned i = 0; i < TIMERS; i++) {
        k[i].timer.fn = timer_fired;
        k[i].io = e->io;
        lb_io_timer_start(e->io, &k[i].timer, (i * 7919u % 997u) * 20000u);
    }
    for (unsigned i = 0; i < TIMERS; i += 3)
        lb_io_timer_stop(e->io, &k[i].timer);
    for (unsigned i = 1; i < TIMERS; i += 3)
        lb_io_timer_start(e->io, &k[i].timer, (i * 31u % 500u) * 20000u); /* restarts */
    lb_io_timer_stop(e->io, &k[0].timer);                                 /* harmless */
    turn_until(e, &fired_n, TIMERS / 3 * 2);
    turn_for_ms(e, 30);
    for (unsigned i = 0; i < TIMERS; i++)
        assert_int_equal(k[i].fired, i % 3 != 0);
}

static void timer_restarts(struct lb_io_timer *t) {
    struct tick_tock *k = LB_CONTAINER_OF(t, struct tick_tock, timer);
    fired_n++;
    if (++k->fired < 100)
        lb_io_timer_start(k->io, t, 0);
}

static void test_timer_restarts_itself_without_delay(void **state) {
    struct env *e = *state;
    struct tick_tock k = {.timer.fn = timer_restarts, .io = e->io};
    fired_n = 0;
    lb_io_timer_start(e->io, &k.timer, 0);
    assert_int_equal(lb_io_turn(e->io, 0), 0);
    assert_int_equal(k.fired, 1); /* one a turn */
    turn_until(e, &fired_n, 100);
}

static void test_timer_ends_an_endless_wait(void **state) {
    struct env *e = *state;
    struct tick_tock k = {.timer.fn = timer_fired, .io = e->io};
    last_at_ns = 0;
    lb_io_timer_start(e->io, &k.timer, 3000000);
    while (k.fired == 0)
        assert_int_equal(lb_io_turn(e->io, UINT64_MAX), 0);
}

static void test_turn_times_out(void **state) {
    struct env *e = *state;
    assert_int_equal(lb_io_turn(e->io, 0), 0);
    uint64_t begin_ns = lb_io_now_ns(e->io);
    assert_int_equal(lb_io_turn(e->io, 5000000), 0);
    assert_true(lb_io_now_ns(e->io) - begin_ns >= 4000000);
    assert_true(lb_io_wall_ns(e->io) > 1600000000000000000);
}

static bool tick(void *ctx) {
    int *n = ctx;
    return ++*n < 10;
}

static void test_tick_with_more_to_do_is_called_again_at_once(void **state) {
    struct env *e = *state;
    int n = 0;
    lb_io_tick_add(e->io, tick, &n);
    for (int i = 0; i < 10; i++)
        assert_int_equal(lb_io_turn(e->io, i == 0 ? 0 : UINT64_MAX), 0);
    assert_int_equal(n, 10);
}

/* Messages. */

#define SENDERS 4
#define MESSAGES 5000

struct letter {
    struct lb_io_msg msg;
    unsigned sender;
    unsigned number;
};

struct sender {
    struct env *e;
    pthread_t thread;
    unsigned number;
};

static unsigned letters_next[SENDERS];
static int letters_n;

static void letter_read(struct lb_io *io, struct lb_io_msg *m) {
    struct letter *l = LB_CONTAINER_OF(m, struct letter, msg);
    assert_int_equal(l->number, letters_next[l->sender]);
    letters_next[l->sender]++;
    letters_n++;
    free(l);
}

static void *sender_main(void *arg) {
    struct sender *s = arg;
    for (unsigned i = 0; i < MESSAGES; i++) {
        struct letter *l = calloc(1, sizeof(*l));
        *l = (struct letter){.msg.fn = letter_read, .sender = s->number, .number = i};
        lb_io_post(s->e->io, &l->msg);
        if (i % 64 == 0)
            usleep(50); /* so that the loop falls asleep now and then */
    }
    return NULL;
}

static void test_messages_from_threads_arrive_once_and_in_order(void **state) {
    struct env *e = *state;
    struct sender senders[SENDERS];
    memset(letters_next, 0, sizeof(letters_next));
    letters_n = 0;
    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.e = e, .number = i};
        assert_int_equal(pthread_create(&senders[i].thread, NULL, sender_main, &senders[i]), 0);
    }
    while (letters_n < SENDERS * MESSAGES) /* a lost wake-up hangs here */
        assert_int_equal(lb_io_turn(e->io, UINT64_MAX), 0);
    for (unsigned i = 0; i < SENDERS; i++)
        pthread_join(senders[i].thread, NULL);
}

static void *stopper_main(void *arg) {
    usleep(2000);
    lb_io_stop(((struct env *)arg)->io);
    return NULL;
}

static void test_stop_ends_run(void **state) {
    struct env *e = *state;
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, stopper_main, e), 0);
        assert_int_equal(lb_io_run(e->io), 0);
        pthread_join(thread, NULL);
    }
    lb_io_stop(e->io); /* before it runs: it returns at once, and only once */
    assert_int_equal(lb_io_run(e->io), 0);
    assert_int_equal(lb_io_turn(e->io, 0), 0);
}

/* Work. */

#define ITEMS 2000

struct item {
    struct lb_io_op op;
    pthread_t loop;
    int value;
};

static int items_n;

static int64_t item_work(struct lb_io_op *op) {
    struct item *t = LB_CONTAINER_OF(op, struct item, op);
    assert_false(pthread_equal(t->loop, pthread_self()));
    return t->value * 2;
}

static void item_done(struct lb_io_op *op, int64_t res) {
    struct item *t = LB_CONTAINER_OF(op, struct item, op);
    assert_true(pthread_equal(t->loop, pthread_self()));
    assert_int_equal(res, t->value * 2);
    items_n++;
}

static void test_work_runs_elsewhere_and_completes_here(void **state) {
    struct env *e = *state;
    static struct item items[ITEMS];
    memset(items, 0, sizeof(items));
    items_n = 0;
    for (int i = 0; i < ITEMS; i++) {
        items[i] = (struct item){.op.done = item_done, .loop = pthread_self(), .value = i};
        lb_io_work(e->io, &items[i].op, item_work);
        if (i % 100 == 0)
            lb_io_turn(e->io, 0);
    }
    turn_until(e, &items_n, ITEMS);
}

/* One at a time, so that every round has its own sleep and wake. */
static void test_work_wakes_a_sleeping_loop(void **state) {
    struct env *e = *state;
    struct item t = {.op.done = item_done, .loop = pthread_self(), .value = 7};
    items_n = 0;
    for (int i = 0; i < 500; i++) {
        lb_io_work(e->io, &t.op, item_work);
        while (items_n == i)
            assert_int_equal(lb_io_turn(e->io, UINT64_MAX), 0);
    }
}

struct gate {
    struct call call;
    atomic_int *open;
    atomic_int *begun;
};

static int64_t gate_work(struct lb_io_op *op) {
    struct gate *g = LB_CONTAINER_OF(op, struct gate, call.op);
    atomic_fetch_add(g->begun, 1);
    while (!atomic_load(g->open))
        sched_yield();
    return 5;
}

static void test_cancel_work(void **state) {
    struct env *e = *state;
    atomic_int open = 0, begun = 0;
    struct gate gates[WORKERS + 2];
    for (int i = 0; i < WORKERS + 2; i++)
        gates[i] = (struct gate){CALL, &open, &begun};
    /* Gathered in this turn only. */
    lb_io_work(e->io, &gates[0].call.op, gate_work);
    lb_io_cancel(e->io, &gates[0].call.op);
    assert_int_equal(gates[0].call.calls, 0);
    assert_int_equal(finish(e, &gates[0].call), -ECANCELED);
    assert_int_equal(begun, 0);
    /* One more than there are threads: the last waits in their queue. */
    for (int i = 0; i < WORKERS; i++)
        lb_io_work(e->io, &gates[i].call.op, gate_work);
    while (atomic_load(&begun) < WORKERS)
        lb_io_turn(e->io, 0);
    lb_io_work(e->io, &gates[WORKERS].call.op, gate_work);
    lb_io_work(e->io, &gates[WORKERS + 1].call.op, gate_work);
    lb_io_turn(e->io, 0);
    lb_io_cancel(e->io, &gates[WORKERS].call.op);
    lb_io_cancel(e->io, &gates[0].call.op); /* has begun: runs to its end */
    assert_int_equal(finish(e, &gates[WORKERS].call), -ECANCELED);
    turn_for_ms(e, 5);
    assert_int_equal(gates[0].call.calls, 0);
    atomic_store(&open, 1);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(finish(e, &gates[i].call), 5);
    assert_int_equal(finish(e, &gates[WORKERS + 1].call), 5);
    assert_int_equal(begun, WORKERS + 1);
}

/* Files. */

static void test_file_write_sync_read(void **state) {
    struct env *e = *state;
    size_t len = 3 << 20;
    unsigned char *out = malloc(len), *in = calloc(1, len);
    int fd = file_new();
    struct call c = CALL;
    fill(out, len, 1);
    lb_io_write(e->io, &c.op, fd, out, len, 4096);
    assert_int_equal(c.calls, 0);
    assert_int_equal(finish(e, &c), len);
    lb_io_fsync(e->io, &c.op, fd, false);
    lb_io_cancel(e->io, &c.op); /* file I/O runs to its end */
    assert_int_equal(finish(e, &c), 0);
    lb_io_fsync(e->io, &c.op, fd, true);
    assert_int_equal(finish(e, &c), 0);
    lb_io_read(e->io, &c.op, fd, in, len, 4096);
    assert_int_equal(finish(e, &c), len);
    assert_memory_equal(in, out, len);
    lb_io_read(e->io, &c.op, fd, in, len, 4096 + len - 10); /* over the end */
    assert_int_equal(finish(e, &c), 10);
    lb_io_read(e->io, &c.op, fd, in, len, 2 * len); /* behind it */
    assert_int_equal(finish(e, &c), 0);
    lb_io_read(e->io, &c.op, -1, in, len, 0);
    assert_int_equal(finish(e, &c), -EBADF);
    lb_io_fsync(e->io, &c.op, -1, false);
    assert_int_equal(finish(e, &c), -EBADF);
    close(fd);
    free(out);
    free(in);
}

static void test_direct_read_over_the_end(void **state) {
    struct env *e = *state;
    char path[] = "/tmp/lobos-io-XXXXXX";
    int plain_fd = mkstemp(path);
    assert_int_equal(ftruncate(plain_fd, 9000), 0);
    int fd = open(path, O_RDONLY | O_DIRECT);
    unlink(path);
    if (fd >= 0) {
        void *buf = aligned_alloc(4096, 16384);
        struct call c = CALL;
        lb_io_read(e->io, &c.op, fd, buf, 16384, 0);
        assert_int_equal(finish(e, &c), 9000);
        free(buf);
        close(fd);
    }
    close(plain_fd);
}

/* More at once than both rings of io_uring hold. */
#define MANY 5000

static void test_many_operations_at_once(void **state) {
    struct env *e = *state;
    struct call *calls = calloc(MANY, sizeof(*calls));
    unsigned char *bytes = calloc(MANY, 1);
    int fd = file_new();
    for (int i = 0; i < MANY; i++) {
        bytes[i] = (unsigned char)(i * 7);
        calls[i] = CALL;
        lb_io_write(e->io, &calls[i].op, fd, &bytes[i], 1, (uint64_t)i);
    }
    for (int i = 0; i < MANY; i++)
        assert_int_equal(finish(e, &calls[i]), 1);
    for (int i = 0; i < MANY; i++) {
        bytes[i] = 0;
        lb_io_read(e->io, &calls[i].op, fd, &bytes[i], 1, (uint64_t)i);
    }
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(finish(e, &calls[i]), 1);
        assert_int_equal(bytes[i], (unsigned char)(i * 7));
    }
    close(fd);
    free(bytes);
    free(calls);
}

static void test_many_operations_on_a_tiny_ring(void **state) {
    struct env *e = *state;
    enum lb_io_backend backend = strcmp(lb_io_name(e->io), "epoll") ? LB_IO_URING : LB_IO_POSIX;
    struct env tiny;
    void *tiny_state = &tiny;
    env_new(&tiny, backend, 4);
    test_many_operations_at_once(&tiny_state);
    lb_io_free(tiny.io);
    lb_workers_free(tiny.workers);
}

static void test_random_and_names(void **state) {
    struct env *e = *state;
    unsigned char a[32] = {0}, b[32] = {0};
    lb_io_random(e->io, a, sizeof(a));
    lb_io_random(e->io, b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    assert_ptr_equal(lb_io_vfs(e->io), lb_vfs_posix());
}

/* Refuses io_uring to this process, as containers do. */
static int refuse_io_uring(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0
               ? -errno
               : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static void test_auto_takes_epoll_where_io_uring_is_refused(void **state) {
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        struct lb_io_conf conf = {.backend = LB_IO_AUTO};
        struct lb_io *io = NULL;
        bool good = refuse_io_uring() == 0 && lb_io_new(&conf, &io) == 0 &&
                    strcmp(lb_io_name(io), "epoll") == 0 && lb_io_turn(io, 0) == 0;
        conf.backend = LB_IO_URING;
        _exit(good && lb_io_new(&conf, &io) == -EPERM ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void) {
    static const struct named_test tests[] = {
        TEST(test_defer_is_never_inline),
        TEST(test_op_is_free_in_its_own_callback),
        TEST(test_deferred_calls_do_not_starve_timers),
        TEST(test_timers_fire_in_order_and_not_when_stopped),
        TEST(test_timer_restarts_itself_without_delay),
        TEST(test_timer_ends_an_endless_wait),
        TEST(test_turn_times_out),
        TEST(test_tick_with_more_to_do_is_called_again_at_once),
        TEST(test_messages_from_threads_arrive_once_and_in_order),
        TEST(test_stop_ends_run),
        TEST(test_work_runs_elsewhere_and_completes_here),
        TEST(test_work_wakes_a_sleeping_loop),
        TEST(test_cancel_work),
        TEST(test_file_write_sync_read),
        TEST(test_direct_read_over_the_end),
        TEST(test_many_operations_at_once),
        TEST(test_many_operations_on_a_tiny_ring),
        TEST(test_random_and_names),
        TEST(test_auto_takes_epoll_where_io_uring_is_refused),
    };
    return run_on_both(tests, sizeof(tests) / sizeof(tests[0]));
}

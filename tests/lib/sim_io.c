/* The simulated loop: the third implementation of struct lb_io_ops. */
#include <stdio.h>
#include <string.h>

#include "sim_fs_priv.h"
#include "sim_priv.h"

#define DELAY_MAX_NS UINT64_C(20000000)
#define DELAY_USUAL_NS UINT64_C(50000)
#define SOCK_BUF 65536u

static const struct lb_io_ops loop_ops;

void sim_note(struct sim *sim, uint64_t what) {
    sim->trace = (sim->trace ^ what ^ sim->now_ns) * 0x9e3779b97f4a7c15u;
    sim->trace ^= sim->trace >> 31;
}

static int64_t wall_now(void *ctx) {
    struct sim *sim = ctx;
    return sim->wall_start_ns + (int64_t)sim->now_ns;
}

struct sim *sim_new(const struct sim_conf *conf, struct sim_fs *fs) {
    struct sim *sim = sim_grow(NULL, 1, sizeof(*sim));
    memset(sim, 0, sizeof(*sim));
    sim->conf = *conf;
    if (!sim->conf.delay_max_ns)
        sim->conf.delay_max_ns = DELAY_MAX_NS;
    if (!sim->conf.sock_buf)
        sim->conf.sock_buf = SOCK_BUF;
    sim->fs = fs;
    sim->now_ns = 1000000000;
    sim->wall_start_ns = fs->stamp_ns;
    lb_prng_seed(&sim->prng, conf->seed);
    lb_list_init(&sim->loops);
    sim_fs_clock(fs, wall_now, sim);
    return sim;
}

void sim_free(struct sim *sim) {
    if (!sim)
        return;
    assert(lb_list_empty(&sim->loops) && sim->events_n == 0);
    sim_net_fini(sim);
    sim_fs_stamp(sim->fs);
    sim_fs_clock(sim->fs, NULL, NULL);
    free(sim->events);
    free(sim);
}

struct lb_io *sim_loop_new(struct sim *sim) {
    struct sim_loop *loop = sim_grow(NULL, 1, sizeof(*loop));
    struct lb_io_conf conf = {.vfs = sim_fs_vfs(sim->fs)};
    memset(loop, 0, sizeof(*loop));
    loop->sim = sim;
    /* lb_io_init reads the clock through the embedding structure, and overwrites only its own. */
    lb_io_init(&loop->io, &loop_ops, &conf);
    lb_list_append(&sim->loops, &loop->link);
    return &loop->io;
}

uint64_t sim_now_ns(const struct sim *sim) {
    return sim->now_ns;
}

struct sim_fs *sim_files(struct sim *sim) {
    return sim->fs;
}

uint64_t sim_trace(const struct sim *sim) {
    return sim->trace;
}

/* Events. */

void sim_schedule(struct sim *sim, struct lb_io_op *op) {
    bool slow = lb_prng_below(&sim->prng, 16) == 0;
    uint64_t most = sim->conf.delay_max_ns;
    if (!slow && most > DELAY_USUAL_NS)
        most = DELAY_USUAL_NS;
    uint64_t due_ns = sim->now_ns + 1 + lb_prng_below(&sim->prng, most);
    sim->events = sim_grow(sim->events, sim->events_n + 1, sizeof(*sim->events));
    sim->events[sim->events_n++] = (struct sim_event){due_ns, sim->seq++, op};
}

void sim_unschedule(struct sim *sim, const struct lb_io_op *op) {
    for (size_t i = 0; i < sim->events_n; i++) {
        if (sim->events[i].op == op) {
            sim->events[i] = sim->events[--sim->events_n];
            return;
        }
    }
}

/* The earliest event, of one loop or (NULL) of all. */
static const struct sim_event *first_event(const struct sim *sim, const struct lb_io *io) {
    const struct sim_event *first = NULL;
    for (size_t i = 0; i < sim->events_n; i++) {
        const struct sim_event *e = &sim->events[i];
        if (io && e->op->io != io)
            continue;
        if (!first || e->due_ns < first->due_ns ||
            (e->due_ns == first->due_ns && e->seq < first->seq))
            first = e;
    }
    return first;
}

static int64_t run_read(struct lb_vfs *v, const struct lb_io_op *op) {
    size_t done = 0;
    while (done < op->len) {
        int64_t n =
            v->ops->pread(v, op->fd, (char *)op->ptr + done, op->len - done, op->off + done);
        if (n < 0)
            return n;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (int64_t)done;
}

static int64_t run_write(struct lb_vfs *v, const struct lb_io_op *op) {
    size_t done = 0;
    while (done < op->len) {
        int64_t n =
            v->ops->pwrite(v, op->fd, (const char *)op->ptr + done, op->len - done, op->off + done);
        if (n < 0)
            return n;
        done += (size_t)n;
    }
    return (int64_t)done;
}

static void run_event(struct sim *sim, struct lb_io_op *op) {
    struct lb_vfs *v = op->io->vfs;
    int64_t res;
    switch (op->kind) {
    case LB_IO_READ:
        res = run_read(v, op);
        break;
    case LB_IO_WRITE:
        res = run_write(v, op);
        break;
    case LB_IO_FSYNC:
        res = v->ops->fsync(v, op->fd, op->flags & LB_OP_DATA_ONLY);
        break;
    case LB_IO_WORK:
        res = op->work(op);
        break;
    default:
        sim_net_run(sim, op);
        return;
    }
    sim_note(sim, (uint64_t)op->kind << 32 ^ (uint64_t)res);
    lb_io_complete(op->io, op, res);
}

/* The table of a loop. */

static void loop_submit(struct lb_io *io, struct lb_io_op *op) {
    struct sim *sim = sim_loop_of(io)->sim;
    if (op->kind == LB_IO_READ || op->kind == LB_IO_WRITE || op->kind == LB_IO_FSYNC ||
        op->kind == LB_IO_WORK)
        sim_schedule(sim, op);
    else
        sim_net_submit(sim, op);
}

static void loop_cancel(struct lb_io *io, struct lb_io_op *op) {
    struct sim *sim = sim_loop_of(io)->sim;
    sim_unschedule(sim, op);
    if (op->kind != LB_IO_WORK)
        sim_net_forget(sim, op);
    sim_note(sim, 0xcace1);
    lb_io_complete(io, op, -ECANCELED);
}

static int loop_wait(struct lb_io *io, uint64_t timeout_ns) {
    struct sim *sim = sim_loop_of(io)->sim;
    const struct sim_event *next = first_event(sim, NULL);
    uint64_t until = timeout_ns < UINT64_MAX - sim->now_ns ? sim->now_ns + timeout_ns : UINT64_MAX;
    if (next && next->due_ns < until)
        until = next->due_ns;
    if (until == UINT64_MAX)
        return -EDEADLK;
    if (until > sim->now_ns)
        sim->now_ns = until;
    for (uint64_t n = 1 + lb_prng_below(&sim->prng, 4); n > 0; n--) {
        const struct sim_event *e = first_event(sim, io);
        if (!e || e->due_ns > sim->now_ns)
            break;
        struct lb_io_op *op = e->op;
        sim_unschedule(sim, op);
        run_event(sim, op);
    }
    return 0;
}

static void loop_wake(struct lb_io *io) {}

static uint64_t loop_now_ns(struct lb_io *io) {
    return sim_loop_of(io)->sim->now_ns;
}

static int64_t loop_wall_ns(struct lb_io *io) {
    return wall_now(sim_loop_of(io)->sim);
}

static void loop_random(struct lb_io *io, void *ret, size_t n) {
    struct sim *sim = sim_loop_of(io)->sim;
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)ret)[i] = (uint8_t)(lb_prng_next(&sim->prng) >> 32);
}

static void loop_free(struct lb_io *io) {
    struct sim_loop *loop = sim_loop_of(io);
    lb_io_fini(io);
    lb_list_remove(&loop->link);
    free(loop);
}

static const struct lb_io_ops loop_ops = {
    .name = "sim",
    .submit = loop_submit,
    .cancel = loop_cancel,
    .wait = loop_wait,
    .wake = loop_wake,
    .now_ns = loop_now_ns,
    .wall_ns = loop_wall_ns,
    .random = loop_random,
    .listen = sim_net_listen,
    .shutdown = sim_net_shutdown,
    .close = sim_net_close,
    .free = loop_free,
};

/* Turning all loops. */

/* When a loop has something to do: now (0), at a time, or never (UINT64_MAX). */
static uint64_t loop_next_ns(const struct sim_loop *loop) {
    const struct lb_io *io = &loop->io;
    if (io->ticking || !lb_list_empty(&io->ready) || !lb_list_empty(&io->again) ||
        atomic_load(&io->mail) || atomic_load(&io->worked))
        return 0;
    const struct sim_event *e = first_event(loop->sim, io);
    uint64_t at_ns = e ? e->due_ns : UINT64_MAX;
    if (io->timers_n > 0 && io->timers[1]->at_ns < at_ns)
        at_ns = io->timers[1]->at_ns;
    return at_ns;
}

static uint64_t next_ns(const struct sim *sim) {
    uint64_t at_ns = UINT64_MAX;
    LB_LIST_FOR_EACH(it, &sim->loops) {
        uint64_t t = loop_next_ns(LB_CONTAINER_OF(it, struct sim_loop, link));
        if (t < at_ns)
            at_ns = t;
    }
    return at_ns;
}

bool sim_turn(struct sim *sim) {
    uint64_t at_ns = next_ns(sim);
    if (at_ns == UINT64_MAX)
        return false;
    /* A turn takes time, too. */
    sim->now_ns += lb_prng_below(&sim->prng, 1000);
    if (at_ns > sim->now_ns)
        sim->now_ns = at_ns;
    /* Each time another loop goes first. */
    lb_list_append(&sim->loops, lb_list_pop(&sim->loops));
    LB_LIST_FOR_EACH(it, &sim->loops) {
        struct sim_loop *loop = LB_CONTAINER_OF(it, struct sim_loop, link);
        if (loop_next_ns(loop) <= sim->now_ns)
            lb_io_turn(&loop->io, 0);
    }
    return true;
}

bool sim_run(struct sim *sim, const bool *stop, uint64_t turns_max) {
    for (uint64_t n = 0; n < turns_max; n++) {
        if (stop && *stop)
            return true;
        if (!sim_turn(sim))
            return !stop;
    }
    return stop && *stop;
}

void sim_sleep(struct sim *sim, uint64_t ns) {
    uint64_t until = sim->now_ns + ns;
    while (next_ns(sim) <= until && sim_turn(sim))
        ;
    if (sim->now_ns < until)
        sim->now_ns = until;
}

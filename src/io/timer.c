/* One-shot timers of a loop: a binary heap of pointers, each timer knowing its place. */
#include "io/io_priv.h"

#include "base/log.h"

static void place(struct lb_io *io, struct lb_io_timer *t, size_t at) {
    io->timers[at] = t;
    t->heap_at = at;
}

/* Finds the place of t, for which `at` is free, towards the root. */
static void sift_up(struct lb_io *io, struct lb_io_timer *t, size_t at) {
    for (; at > 1 && t->at_ns < io->timers[at / 2]->at_ns; at /= 2)
        place(io, io->timers[at / 2], at);
    place(io, t, at);
}

static void sift_down(struct lb_io *io, struct lb_io_timer *t, size_t at) {
    for (size_t child; (child = at * 2) <= io->timers_n; at = child) {
        if (child < io->timers_n && io->timers[child + 1]->at_ns < io->timers[child]->at_ns)
            child++;
        if (t->at_ns <= io->timers[child]->at_ns)
            break;
        place(io, io->timers[child], at);
    }
    place(io, t, at);
}

/* Room for one more. Starting a timer cannot be refused, and its owner would wait for ever. */
static void reserve(struct lb_io *io) {
    if (io->timers_n + 1 < io->timers_cap)
        return;
    size_t cap = io->timers_cap ? io->timers_cap * 2 : 256;
    struct lb_io_timer **timers = realloc(io->timers, cap * sizeof(*timers));
    if (!timers) {
        lb_error("no memory for timers");
        abort();
    }
    io->timers = timers;
    io->timers_cap = cap;
}

void lb_io_timer_start(struct lb_io *io, struct lb_io_timer *t, uint64_t delay_ns) {
    lb_io_timer_stop(io, t);
    reserve(io);
    t->at_ns = delay_ns < UINT64_MAX - io->now_ns ? io->now_ns + delay_ns : UINT64_MAX;
    sift_up(io, t, ++io->timers_n);
}

void lb_io_timer_stop(struct lb_io *io, struct lb_io_timer *t) {
    size_t at = t->heap_at;
    if (at == 0)
        return;
    assert(at <= io->timers_n && io->timers[at] == t);
    struct lb_io_timer *last = io->timers[io->timers_n--];
    t->heap_at = 0;
    if (last == t)
        return;
    if (at > 1 && last->at_ns < io->timers[at / 2]->at_ns)
        sift_up(io, last, at);
    else
        sift_down(io, last, at);
}

void lb_io_timers_run(struct lb_io *io) {
    /* At most as many as there were: one that starts itself with no delay waits for the next turn.
     */
    for (size_t n = io->timers_n; n > 0 && io->timers_n > 0; n--) {
        struct lb_io_timer *t = io->timers[1];
        if (t->at_ns > io->now_ns)
            return;
        lb_io_timer_stop(io, t);
        t->fn(t);
    }
}

/* Inside of a loop: what a back end gives (struct lb_io_ops) and what all of them share (io.c).
 *
 * A back end embeds struct lb_io first in its own structure, calls lb_io_init with its table, and
 * reports every result through lb_io_complete, which only queues: io.c runs the callbacks, in its
 * turn. An operation is, from submission to completion, in exactly one place: with the back end, on
 * `ready` (finished, its callback still to run), on `again` (to be given to `submit` once more next
 * turn), on `work` (for the worker threads), or with them. */
#ifndef LB_IO_IO_PRIV_H
#define LB_IO_IO_PRIV_H

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "io/io.h"

/* Bits of lb_io_op.flags, set by io.c before `submit`. */
enum {
    LB_OP_MORE = 1 << 0,      /* SEND: MSG_MORE */
    LB_OP_DATA_ONLY = 1 << 1, /* FSYNC: fdatasync */
    LB_OP_READY = 1 << 2,     /* on the ready list: too late to cancel */
    LB_OP_AGAIN = 1 << 3,     /* on the again list */
    LB_OP_SHARED = 1 << 4,    /* handed to the worker threads; under their lock from then on */
};

struct lb_io_ops {
    const char *name;

    /* Starts op: op->kind and its arguments are set, op->res is 0 and may count progress, op->link
     * is unlinked and free for use. Never calls done. Every kind but DEFER comes here:
     *   ACCEPT    fd
     *   RECV      fd, ptr, len
     *   SEND      fd, ptr, len, LB_OP_MORE
     *   SENDFILE  fd (socket), fd2 (file), off, len
     *   READ      fd, ptr, len, off
     *   WRITE     fd, ptr, len, off
     *   FSYNC     fd, LB_OP_DATA_ONLY
     *   WORK      work (real back ends hand it to lb_io_to_workers) */
    void (*submit)(struct lb_io *io, struct lb_io_op *op);

    /* Ends op early with lb_io_complete(io, op, -ECANCELED), now or later, where it can: ACCEPT,
     * RECV, SEND, SENDFILE; WORK that has not begun. op->canceled is already set. */
    void (*cancel)(struct lb_io *io, struct lb_io_op *op);

    /* Submits what is prepared, waits at most timeout_ns (UINT64_MAX: for ever) until something has
     * happened, and completes what has. Returns 0 or -errno. The simulator advances its clock. */
    int (*wait)(struct lb_io *io, uint64_t timeout_ns);

    /* Ends a wait early. Any thread. Called at most once for each wait. */
    void (*wake)(struct lb_io *io);

    uint64_t (*now_ns)(struct lb_io *io);
    int64_t (*wall_ns)(struct lb_io *io);
    void (*random)(struct lb_io *io, void *ret, size_t n);

    /* Immediate; as in io.h. */
    int (*listen)(struct lb_io *io, const struct sockaddr *addr, socklen_t len, bool reuseport);
    void (*shutdown)(struct lb_io *io, int fd, int how);
    void (*close)(struct lb_io *io, int fd);

    /* Frees the back end, which has called lb_io_fini. Nothing is in flight. */
    void (*free)(struct lb_io *io);
};

struct lb_io_tick {
    bool (*fn)(void *ctx);
    void *ctx;
};

struct lb_io {
    const struct lb_io_ops *ops;
    struct lb_vfs *vfs;         /* borrowed */
    struct lb_workers *workers; /* borrowed; NULL in the simulator */
    uint64_t now_ns;
    int64_t wall_ns;
    struct lb_list ready;
    struct lb_list again;
    struct lb_list work; /* gathered during a turn, handed to the worker threads at its end */
    size_t in_flight;
    struct lb_io_timer **timers; /* binary heap, timers[1] the earliest; [0] is not used */
    size_t timers_n;
    size_t timers_cap;
    struct lb_io_tick ticks[LB_IO_TICKS_MAX];
    unsigned ticks_n;
    bool ticking; /* a tick has more to do: do not wait */

    /* From other threads. Stacks, newest first. */
    _Atomic(struct lb_io_msg *) mail;
    _Atomic(struct lb_io_op *) worked;
    atomic_bool asleep; /* the loop waits, or is about to: who clears this wakes it */
    atomic_bool stopping;
    atomic_size_t at_workers; /* operations that a worker thread may still touch the loop for */
};

/* The shared part. lb_io_init reads the clock, so the back end must be able to tell the time. */
void lb_io_init(struct lb_io *io, const struct lb_io_ops *ops, const struct lb_io_conf *conf);
void lb_io_fini(struct lb_io *io);

/* Queues op's callback with res. On the loop. */
void lb_io_complete(struct lb_io *io, struct lb_io_op *op, int64_t res);

/* Gives op to `submit` again in the next turn, before which the loop does not sleep: for an
 * operation that has had its share of this turn, or found a queue full. */
void lb_io_again(struct lb_io *io, struct lb_io_op *op);

/* timer.c. Runs what is due. */
void lb_io_timers_run(struct lb_io *io);

/* Clocks and randomness of the system, for the real back ends. */
uint64_t lb_sys_now_ns(struct lb_io *io);
int64_t lb_sys_wall_ns(struct lb_io *io);
void lb_sys_random(struct lb_io *io, void *ret, size_t n);

/* workers.c. Queues op (WORK, READ, WRITE or FSYNC) for the worker threads at the end of the turn;
 * lb_io_from_workers takes it back: true when it had not begun, then the caller completes it. */
void lb_io_to_workers(struct lb_io *io, struct lb_io_op *op);
bool lb_io_from_workers(struct lb_io *io, struct lb_io_op *op);

/* Hands all of io->work to the worker threads: one lock, at most one thread woken from here. */
void lb_workers_submit(struct lb_workers *w, struct lb_io *io);

/* From a worker thread: op has op->res. Wakes the loop only through lb_io_wake. */
void lb_io_worked(struct lb_io *io, struct lb_io_op *op);
void lb_io_wake(struct lb_io *io);

/* sock.c: socket calls of the real back ends. */
int lb_sock_listen(struct lb_io *io, const struct sockaddr *addr, socklen_t len, bool reuseport);
void lb_sock_shutdown(struct lb_io *io, int fd, int how);

/* What an accepted descriptor needs. */
void lb_sock_accepted(int fd);

/* Errors of accept(2) that concern one connection which is gone, not the listener. */
bool lb_sock_accept_retry(int64_t res);

/* Goes on with a SEND or SENDFILE. Returns 0 when the socket is full: call again when it is
 * writable. Otherwise op has been completed, or queued for the next turn. */
enum { LB_SOCK_FULL = 0, LB_SOCK_MOVED = 1 };
int lb_sock_send(struct lb_io *io, struct lb_io_op *op);

/* The back ends. */
int lb_io_uring_new(const struct lb_io_conf *conf, struct lb_io **ret);
int lb_io_posix_new(const struct lb_io_conf *conf, struct lb_io **ret);

#endif

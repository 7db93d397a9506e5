/* The I/O loop: a proactor. Submit an operation; its completion comes through the loop, never from
 * inside the call that submitted it. One loop is one thread; everything here is called on that
 * thread except lb_io_post and lb_io_stop.
 *
 * Implementations: io_uring.c, io_posix.c (epoll; file I/O on the worker threads), and the
 * simulator in tests/lib. They share the ready queue, the timers and the mailbox in io.c. */
#ifndef LB_IO_IO_H
#define LB_IO_IO_H

#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "base/list.h"
#include "base/slice.h"
#include "io/vfs.h"

struct lb_io;
struct lb_io_op;
struct lb_workers;

/* res: what the system call would return, negative -errno. -ECANCELED after lb_io_cancel. */
typedef void (*lb_io_done)(struct lb_io_op *op, int64_t res);

/* Runs on a worker thread; may block. Its result is the completion's res. */
typedef int64_t (*lb_io_work_fn)(struct lb_io_op *op);

enum lb_io_kind {
    LB_IO_IDLE, /* not submitted: free for use */
    LB_IO_DEFER,
    LB_IO_ACCEPT,
    LB_IO_RECV,
    LB_IO_SEND,
    LB_IO_SENDFILE,
    LB_IO_READ,
    LB_IO_WRITE,
    LB_IO_FSYNC,
    LB_IO_WORK,
};

/* One operation in flight. Embedded in its owner's structure, zeroed before first use, not touched
 * between submission and completion; `done` runs with kind already LB_IO_IDLE, so that the same op
 * can be submitted again from inside it. */
struct lb_io_op {
    lb_io_done done;
    enum lb_io_kind kind;
    bool canceled;
    int fd;
    int fd2;
    unsigned flags;
    void *ptr;
    size_t len;
    uint64_t off;
    lb_io_work_fn work;
    int64_t res;
    struct lb_io *io;
    struct lb_list link;
    struct lb_io_op *next; /* on the way back from a worker thread */
};

/* A one-shot timer, embedded and zeroed like an operation. */
struct lb_io_timer {
    void (*fn)(struct lb_io_timer *t);
    uint64_t at_ns;
    size_t heap_at; /* 1-based place in the heap; 0 = not running */
};

/* A message to a loop from any thread; the receiver owns it from then on. */
struct lb_io_msg {
    void (*fn)(struct lb_io *io, struct lb_io_msg *m); /* runs on the loop */
    struct lb_io_msg *next;
};

enum lb_io_backend { LB_IO_AUTO, LB_IO_URING, LB_IO_POSIX };

struct lb_io_conf {
    enum lb_io_backend
        backend; /* AUTO: io_uring, else epoll with one line in the log that says why */
    struct lb_workers *workers; /* borrowed; shared by all loops */
    struct lb_vfs *vfs;         /* borrowed */
    unsigned ring_entries;      /* 0 = 1024 */
};

/* A new loop. Returns 0 and an owned loop; -errno when the chosen back end cannot start. Call it on
 * the thread that will run the loop (io_uring is set up as SINGLE_ISSUER). */
int lb_io_new(const struct lb_io_conf *conf, struct lb_io **ret);

/* Frees a loop that has no operation in flight. NULL is allowed. */
void lb_io_free(struct lb_io *io);

/* Runs until lb_io_stop. Returns 0, or -errno when waiting itself fails. */
int lb_io_run(struct lb_io *io);

/* One turn: submit, wait at most timeout_ns for something to happen (UINT64_MAX: for ever), run
 * what is ready. Returns 0 or -errno. */
int lb_io_turn(struct lb_io *io, uint64_t timeout_ns);

/* Makes lb_io_run return after the turn it is in. Any thread. */
void lb_io_stop(struct lb_io *io);

/* "io_uring", "epoll" or "sim". Static. */
const char *lb_io_name(const struct lb_io *io);
struct lb_vfs *lb_io_vfs(const struct lb_io *io);

/* Monotonic time, read once per turn. */
uint64_t lb_io_now_ns(const struct lb_io *io);

/* Monotonic time at this moment, for measuring: costs a reading of the clock. */
uint64_t lb_io_clock_ns(struct lb_io *io);

/* Time of day, read once per turn, nanoseconds since 1970. */
int64_t lb_io_wall_ns(const struct lb_io *io);

/* n random bytes: cryptographic from the system, repeatable in the simulator. Any thread. */
void lb_io_random(struct lb_io *io, void *ret, size_t n);

/* Called once every turn after completions, before the loop waits (the hash service lives here).
 * Returns true when it has more to do: then the loop polls and comes back at once. At most
 * LB_IO_TICKS_MAX of them. */
#define LB_IO_TICKS_MAX 4
void lb_io_tick_add(struct lb_io *io, bool (*fn)(void *ctx), void *ctx);

/* Runs t->fn after delay_ns, restarting t when it is running. */
void lb_io_timer_start(struct lb_io *io, struct lb_io_timer *t, uint64_t delay_ns);
/* Harmless when t is not running. */
void lb_io_timer_stop(struct lb_io *io, struct lb_io_timer *t);

/* Completes op with res in the next round of this turn (for results known at once). */
void lb_io_defer(struct lb_io *io, struct lb_io_op *op, int64_t res);

/* Sockets are non-blocking; a socket may have one operation in flight in each direction. addr/len
 * borrowed. Returns a listening descriptor (SO_REUSEADDR, SO_REUSEPORT when reuseport) or -errno.
 * In the simulator the address is only a name. */
int lb_io_listen(struct lb_io *io, const struct sockaddr *addr, socklen_t len, bool reuseport);

/* Completes with a connected non-blocking, close-on-exec descriptor with TCP_NODELAY set. */
void lb_io_accept(struct lb_io *io, struct lb_io_op *op, int listen_fd);

/* Completes with 1..len bytes, 0 at the end of the stream, or -errno. The buffer stays the
 * caller's. */
void lb_io_recv(struct lb_io *io, struct lb_io_op *op, int fd, void *buf, size_t len);

/* Sends all of len bytes (loops over short sends); completes with len or -errno. more: MSG_MORE. */
void lb_io_send(struct lb_io *io, struct lb_io_op *op, int fd, const void *buf, size_t len,
                bool more);

/* Bytes that a send or sendfile in flight has handed to the kernel so far. */
uint64_t lb_io_sent(const struct lb_io_op *op);

/* Sends all of [off, off + len) of file_fd to the socket in as large calls as the kernel takes.
 * Completes with len; with fewer bytes when the file ends early; or with -errno. The range should
 * be resident (vfs->resident). */
void lb_io_sendfile(struct lb_io *io, struct lb_io_op *op, int fd, int file_fd, uint64_t off,
                    size_t len);

/* shutdown(2) and close(2); immediate. No operation may be in flight on a descriptor that is
 * closed. */
void lb_io_shutdown(struct lb_io *io, int fd, int how);
void lb_io_close(struct lb_io *io, int fd);

/* File I/O of exactly len bytes (short transfers are continued). Read completes with fewer only at
 * the end of the file. buf aligned as the descriptor's flags ask. */
void lb_io_read(struct lb_io *io, struct lb_io_op *op, int fd, void *buf, size_t len, uint64_t off);
void lb_io_write(struct lb_io *io, struct lb_io_op *op, int fd, const void *buf, size_t len,
                 uint64_t off);
void lb_io_fsync(struct lb_io *io, struct lb_io_op *op, int fd, bool data_only);

/* Runs fn(op) on a worker thread, then op->done on this loop. Work of one loop may run in parallel
 * and in any order. The queue is bounded by who submits: one op is one item. */
void lb_io_work(struct lb_io *io, struct lb_io_op *op, lb_io_work_fn fn);

/* Asks op to complete early with -ECANCELED. It completes once, in any case, later; work that has
 * begun and file I/O run to their end. No effect on an op that is not in flight. */
void lb_io_cancel(struct lb_io *io, struct lb_io_op *op);

/* Hands m to the loop. Any thread; wakes the loop. */
void lb_io_post(struct lb_io *io, struct lb_io_msg *m);

/* The worker threads, shared by the loops: n of them. Returns 0 or -errno; owned. */
int lb_workers_new(unsigned n, struct lb_workers **ret);
/* Waits for what is running; nothing may be queued. NULL is allowed. */
void lb_workers_free(struct lb_workers *w);

#endif

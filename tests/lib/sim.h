/* The simulated machine: a virtual clock, a file system (sim_fs.h), sockets in memory, and loops
 * (struct lb_io) on one thread. Every operation completes after a delay that the seed chooses, so
 * that the seed chooses the order, too; work items run whole, at their time, on the same thread.
 * The same seed and the same calls give the same run, bit by bit: sim_trace is a hash of it. */
#ifndef LB_TESTS_SIM_H
#define LB_TESTS_SIM_H

#include "io/io.h"
#include "sim_fs.h"

struct sim_conf {
    uint64_t seed;
    uint64_t delay_max_ns; /* the longest an operation takes; 0: 20 ms */
    size_t sock_buf;       /* bytes a socket's receive buffer holds; 0: 64 KiB */
};

struct sim;
struct sim_conn;

/* A machine on fs (borrowed, given its clock). Returns owned. */
struct sim *sim_new(const struct sim_conf *conf, struct sim_fs *fs);
/* All loops must have been freed. NULL is allowed. */
void sim_free(struct sim *sim);

/* A loop of this machine, to be freed by lb_io_free. lb_io_run and lb_io_turn work with one loop;
 * with more, use sim_turn. With nothing left to wait for they return -EDEADLK. */
struct lb_io *sim_loop_new(struct sim *sim);

/* Runs what is due now, else advances the clock to what is next and runs that. Returns false when
 * nothing is under way and no timer runs. */
bool sim_turn(struct sim *sim);
/* Turns until *stop is true (NULL: never) or nothing is left, at most turns_max of them. Returns
 * whether *stop became true; without stop, whether everything came to rest. */
bool sim_run(struct sim *sim, const bool *stop, uint64_t turns_max);
/* Runs everything due in the next ns, and lets that time pass. */
void sim_sleep(struct sim *sim, uint64_t ns);

uint64_t sim_now_ns(const struct sim *sim);
struct sim_fs *sim_files(struct sim *sim);
/* A hash of everything that has happened. */
uint64_t sim_trace(const struct sim *sim);
/* Sockets of the loops' side that are open, listening ones included. */
size_t sim_sock_count(const struct sim *sim);

/* The other end of the wire, for tests. connect returns an owned connection, or NULL when nobody
 * listens at that address. */
struct sim_conn *sim_connect(struct sim *sim, const struct sockaddr *addr, socklen_t len);
/* Returns how many bytes the buffer took (0: full), -EPIPE or -ECONNRESET. */
int64_t sim_conn_write(struct sim_conn *c, const void *buf, size_t len);
/* Returns bytes, 0 at the end of the stream, -EAGAIN, or -ECONNRESET. */
int64_t sim_conn_read(struct sim_conn *c, void *buf, size_t cap);
/* Ends the stream towards the server. */
void sim_conn_shutdown(struct sim_conn *c);
/* Closes; what was not read makes it a reset, as TCP does. The connection is freed. */
void sim_conn_close(struct sim_conn *c);
/* Closes with a reset. */
void sim_conn_reset(struct sim_conn *c);

#endif

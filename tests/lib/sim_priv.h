/* The insides of the simulated machine, shared by sim_io.c and sim_net.c. */
#ifndef LB_TESTS_SIM_PRIV_H
#define LB_TESTS_SIM_PRIV_H

#include "base/prng.h"
#include "io/io_priv.h"
#include "sim.h"

#define SIM_SOCK_FD_MIN (1 << 20)

struct sim_event {
    uint64_t due_ns;
    uint64_t seq;
    struct lb_io_op *op;
};

struct sim_loop {
    struct lb_io io;
    struct sim *sim;
    struct lb_list link;
};

/* One end of a connection, or a listening socket. An end with `loop` is a descriptor. */
struct sim_conn {
    struct sim *sim;
    struct sim_loop *loop; /* NULL: the test's end */
    int fd;
    bool listening;
    bool closed;   /* by its owner */
    bool fin;      /* the peer sends no more */
    bool reset;    /* by the peer */
    bool shut_in;  /* SHUT_RD */
    bool shut_out; /* SHUT_WR */
    struct sockaddr_storage addr;
    socklen_t addr_len;
    struct sim_conn *peer;  /* NULL when it is gone */
    struct lb_list backlog; /* of a listening one: ends to be accepted */
    struct lb_list link;    /* in a backlog */
    struct lb_io_op *in_op; /* ACCEPT or RECV */
    struct lb_io_op *out_op;
    uint8_t *bytes; /* received, not yet read */
    size_t bytes_n;
};

struct sim {
    struct sim_conf conf;
    struct sim_fs *fs;
    struct lb_prng prng;
    uint64_t now_ns;
    int64_t wall_start_ns;
    uint64_t trace;
    struct lb_list loops;
    struct sim_event *events; /* in no order */
    size_t events_n;
    uint64_t seq;
    struct sim_conn **conns; /* descriptor SIM_SOCK_FD_MIN + i is conns[i]; never reused */
    size_t conns_n;
};

static inline struct sim_loop *sim_loop_of(struct lb_io *io) {
    return LB_CONTAINER_OF(io, struct sim_loop, io);
}

/* sim_io.c */
void sim_note(struct sim *sim, uint64_t what);
/* Lets op happen after a delay of the seed's. */
void sim_schedule(struct sim *sim, struct lb_io_op *op);
/* Takes a scheduled op back; harmless when it is not. */
void sim_unschedule(struct sim *sim, const struct lb_io_op *op);

/* sim_net.c */
void sim_net_submit(struct sim *sim, struct lb_io_op *op);
void sim_net_run(struct sim *sim, struct lb_io_op *op);
/* Forgets a socket operation that is being canceled. */
void sim_net_forget(struct sim *sim, struct lb_io_op *op);
int sim_net_listen(struct lb_io *io, const struct sockaddr *addr, socklen_t len, bool reuseport);
void sim_net_shutdown(struct lb_io *io, int fd, int how);
void sim_net_close(struct lb_io *io, int fd);
void sim_net_fini(struct sim *sim);

#endif

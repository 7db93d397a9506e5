/* The control plane: a gRPC server for those who run the store. It has threads of its own, changes
 * users through users.h and reaches the storage through an engine port on a loop of its own, so
 * that nothing it does is on the way of a request of S3. It also counts, in the background, what
 * the buckets hold. */
#ifndef LB_CONTROL_CONTROL_H
#define LB_CONTROL_CONTROL_H

#include "base/buf.h"
#include "io/io.h"

struct lb_budget;
struct lb_control;
struct lb_engine;
struct lb_metrics;
struct lb_s3_buckets;
struct lb_usage;
struct lb_users;

/* Who may come in, and where. Empty strings: none. */
struct lb_control_listen {
    const char *address; /* "127.0.0.1:50051", "[::1]:0", "localhost:50051"; empty: no gRPC */
    const char *token;   /* what a client must send as "authorization: Bearer TOKEN" */
    const char *certificate, *key; /* paths of PEM files: TLS */
    const char *client_ca;         /* path of a PEM file: clients need a certificate of these */
};

/* Everything is borrowed for the life of the control plane. */
struct lb_control_conf {
    struct lb_control_listen listen;
    struct lb_users *users;
    struct lb_engine *engine;
    struct lb_io_conf io;          /* of the control plane's own loop */
    struct lb_s3_buckets *buckets; /* told of changes */
    struct lb_metrics *metrics;
    const struct lb_budget *budget; /* of the memory for requests */
    struct lb_usage *usage;         /* where the counts of buckets go */
    unsigned usage_interval_s;      /* between two rounds of counting; 0: never */

    /* for GetStatus */
    const char *storage;    /* where the engine keeps what it has */
    const char *s3_address; /* of S3 */
    const char *io_name;    /* of the loops */
    const char *admin;      /* name of the configuration's administrator */
    bool authentication;    /* requests must be signed */

    /* On a thread of the control plane. reload returns 0, or -errno with one line in why that says
     * what is wrong with the configuration; drain begins the end of the process, however often it
     * is called, and returns. */
    int (*reload)(void *ctx, struct lb_buf *why);
    void (*drain)(void *ctx);
    void *ctx;
};

/* Is l what may be listened on: an address of this machine only, or TLS and a token or certificates
 * of clients? Returns 0, or -EINVAL with one line in why. Any thread. */
int lb_control_listen_check(const struct lb_control_listen *l, struct lb_buf *why);

/* Starts the threads; what comes is answered when this returns. Returns 0 and owned; or negative,
 * with the reason logged. */
int lb_control_start(const struct lb_control_conf *conf, struct lb_control **ret);

/* Where it listens, with the port bound: "127.0.0.1:50051"; empty without gRPC. */
const char *lb_control_address(const struct lb_control *c);

/* The server's state is another one (lb_metrics_set_state): tells those who watch its health. */
void lb_control_changed(struct lb_control *c);

/* Has the files of TLS read again for the connections that come from now on. They are those of the
 * start; if they can't be read, what was read before stays. */
void lb_control_reload(struct lb_control *c);

/* Answers what is in progress, for two seconds at most, and ends. NULL is allowed. Blocks; not on a
 * thread of its own. */
void lb_control_stop(struct lb_control *c);

#endif

/* gRPC's core: a server, its completion queue, and the threads that take events off it and answer
 * calls. */
#ifndef LB_CONTROL_RPC_PRIV_H
#define LB_CONTROL_RPC_PRIV_H

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "control/call_priv.h"

#define RPC_THREADS 16    /* calls answered at once: changes of users share a write to the disk */
#define RPC_CALLS_MAX 256 /* that have arrived with the token, and not ended */
#define RPC_OTHERS_MAX 64 /* the same of those without: beyond these the oldest gives way */

/* Where to listen, as text and taken apart. */
struct rpc_address {
    char text[64]; /* "127.0.0.1:50051" */
    char ip[48];   /* without brackets */
    unsigned port;
    bool loopback;
};

/* What an event is for. */
struct rpc_tag {
    void (*fn)(struct rpc_tag *tag, bool ok);
};

/* The files of TLS, which gRPC asks for anew with each connection. */
struct rpc_tls {
    const struct lb_control_listen *listen;
    atomic_bool wanted; /* they are to be read */
};

struct rpc_server {
    struct control *control;
    grpc_server *server;
    grpc_completion_queue *cq;
    pthread_t threads[RPC_THREADS];
    unsigned threads_n;
    struct rpc_address address; /* with the port bound */
    struct rpc_tls tls;

    pthread_mutex_t lock; /* of the following */
    pthread_cond_t changed;
    struct lb_list calls; /* struct rpc, those that have arrived */
    unsigned trusted_n;   /* of them, those that have the token */
    unsigned others_n;    /* of them, the others */
    int64_t refused_ns;   /* when a refusal was last logged */
    bool stopping;
    bool ended; /* gRPC has no more calls */
    struct rpc_tag ended_tag;
};

/* Binds and serves. Returns 0, or -errno with the reason logged; then nothing is left. */
int rpc_server_start(struct rpc_server *s, struct control *control);
/* Ends streams at once, and other calls within grace_ms; then frees. */
void rpc_server_stop(struct rpc_server *s, unsigned grace_ms);

/* rpc.c: has gRPC tell of the next call that comes. */
void rpc_request(struct rpc_server *s);
/* Has the watches look whether their reply is another one now. */
void rpc_wake_watches(struct rpc_server *s);
/* Ends those that would not end by themselves. Under no lock. */
void rpc_cancel_streams(struct rpc_server *s);

/* listen.c. "127.0.0.1:50051", "[::1]:0", "localhost:1". Returns 0 or -EINVAL. */
int rpc_address_parse(const char *text, struct rpc_address *ret);
/* The same address with another port. */
void rpc_address_set_port(struct rpc_address *a, unsigned port);
/* Is the port free? Returns 0 or -errno of bind. */
int rpc_address_check(const struct rpc_address *a);
/* credentials.c: what the listener speaks: plain text, or TLS with the files of l, which is
 * borrowed with t for the server's life. Returns owned, or NULL with the reason logged. */
grpc_server_credentials *rpc_credentials(struct rpc_tls *t, const struct lb_control_listen *l);

#endif

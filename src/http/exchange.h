/* One request and its response, as a handler sees it: the seam between the connection (below, in
 * server/) and what answers (above, in s3/). The handler pulls the body, builds the response head
 * and sends. Everything runs on the connection's loop; completions never come from inside the call.
 */
#ifndef LB_HTTP_EXCHANGE_H
#define LB_HTTP_EXCHANGE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/pool.h"
#include "http/request.h"

struct lb_exchange;

/* A piece of the body: a pool buffer that the handler now owns (buf->len bytes), or NULL at the end
 * of the body (err 0), or NULL with err < 0: malformed framing, the client gone, timed out. */
typedef void (*lb_exchange_body_fn)(struct lb_exchange *x, int err, struct lb_pool_buf *buf);

/* The bytes given to send have been handed to the kernel (err 0), or the connection is gone (err <
 * 0). */
typedef void (*lb_exchange_sent_fn)(struct lb_exchange *x, int err);

struct lb_exchange_ops {
    /* Asks for the next piece of the body: the buffer is full, or it is the last one before the
     * end. The first call sends "100 Continue" when the client waits for it. One call at a time.
     * size: the size of buffer wanted (the connection asks for less when less is left). keep: bytes
     * at its start that are left free for the handler, less than size; buf->len counts them. */
    void (*read)(struct lb_exchange *x, size_t keep, size_t size, lb_exchange_body_fn fn);

    /* Sets the response's head aside: it goes out with the first bytes of the body, or with finish.
     * length: bytes of body that will be sent (Content-Length; for a HEAD, what a GET would have
     * sent: nothing follows). Once per exchange. x->status and x->headers are read here; when
     * x->headers has failed, an error goes out in place of the response, and sends complete with
     * one. */
    void (*head)(struct lb_exchange *x, uint64_t length);

    /* Sends bytes of the body (borrowed until fn). One send or send_file at a time. */
    void (*send)(struct lb_exchange *x, struct lb_slice data, lb_exchange_sent_fn fn);

    /* Sends a range of a file with sendfile. Only when x->can_send_file. The range should be
     * resident. */
    void (*send_file)(struct lb_exchange *x, int file_fd, uint64_t off, size_t len,
                      lb_exchange_sent_fn fn);

    /* The response is whole (or, before head or with bytes missing, must be broken off: the
     * connection is then closed). The handler must not touch x afterwards; no read or send may be
     * in flight. A body that was not read is discarded by the connection as far as is reasonable,
     * else the connection closes. */
    void (*finish)(struct lb_exchange *x);
};

/* What the time of a request goes by with: each part of it is booked to the phase that ends with
 * it. */
enum lb_phase {
    LB_PHASE_PARSE,   /* the head comes and is parsed */
    LB_PHASE_AUTH,    /* what is meant, and who asks */
    LB_PHASE_ENGINE,  /* the engine looks up, opens, lists, commits */
    LB_PHASE_IO,      /* the engine reads or writes an object's bytes */
    LB_PHASE_RECEIVE, /* the client sends the body */
    LB_PHASE_SEND,    /* the client takes the response */
    LB_PHASES,
};

struct lb_exchange {
    const struct lb_exchange_ops *ops;
    const struct lb_http_request *request; /* parsed head; lives until finish */
    struct lb_arena *arena; /* reset after finish; its budget, if any, bounds what requests hold */
    struct lb_pool *pool;
    bool can_send_file;   /* plain sockets; not through TLS */
    bool secure;          /* came over TLS */
    struct lb_slice peer; /* the client's address as text, for logs */
    uint64_t start_ns;    /* monotonic time of the first byte of the head */

    int status; /* of the response, set before head */
    /* Lines "Name: value\r\n" of the response, set before head. Date, Server, Content-Length,
     * Transfer-Encoding and Connection are the connection's. */
    struct lb_buf headers;
    bool close; /* ask that the connection be closed after this response */

    void *handler;           /* the handler's own state */
    struct lb_slice op_name; /* for the access log: the operation's name, set by the handler */
    struct lb_slice user;    /* for the access log: who, set by the handler */
    int err;                 /* for the access log: the error answered, 0 for none */
    unsigned op;             /* for metrics: the operation's number, set by the handler; 0: none */
    struct lb_slice bucket;  /* for the log of slow requests, set by the handler, as is the next */
    struct lb_slice id;      /* x-amz-request-id */
    uint64_t phase_at_ns;    /* monotonic: up to here the time is booked */
    uint64_t phase_ns[LB_PHASES];
};

/* A phase has ended: books the time since the one before to it. now_ns: monotonic, read now. */
static inline void lb_exchange_phase(struct lb_exchange *x, enum lb_phase phase, uint64_t now_ns) {
    x->phase_ns[phase] += now_ns - x->phase_at_ns;
    x->phase_at_ns = now_ns;
}

/* What the connection calls when a head has been parsed: takes over x until it calls finish. The
 * client may go away at any time; then the call in flight, or the next, completes with an error and
 * the handler finishes. */
typedef void (*lb_exchange_handler)(void *ctx, struct lb_exchange *x);

#endif

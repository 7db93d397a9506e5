/* The inside of a connection, shared by conn.c (the requests in turn), conn_body.c (reading a
 * body), conn_send.c (the response) and conn_account.c (what is counted and logged of them). */
#ifndef LB_SERVER_CONN_PRIV_H
#define LB_SERVER_CONN_PRIV_H

#include "http/chunked.h"
#include "server/conn.h"

/* Bytes of a refused body that are read and dropped to keep a connection. */
#define CONN_DISCARD_MAX (256u * 1024u)
/* How much beyond the end of a chunk is read ahead: bounds what is left over for the next request.
 */
#define CONN_READ_AHEAD 4096u
/* A goodbye: how long a client may be silent before it closes, how long it may go on sending in
 * all, and how long it is waited for while the server stops or when it was slow already. */
#define CONN_LINGER_MS 5000u
#define CONN_LINGER_MAX_MS 30000u
#define CONN_LINGER_SHORT_MS 1000u
/* How long a body waits for a buffer. Bodies may hold buffers and wait for more, all of them for
 * each other: one that gives up lets others go on. */
#define CONN_MEMORY_WAIT_MS 10000u
/* Room behind a response's head for a small body. */
#define CONN_JOIN_MAX 16384u

enum conn_state {
    CONN_HEAD,    /* waiting for a request's head, or for the rest of it */
    CONN_HANDLER, /* an exchange is in the handler's hands */
    CONN_FLUSH,   /* the handler has finished; the response's last bytes are being sent */
    CONN_DISCARD, /* reading the rest of a body that nobody wants */
    CONN_LINGER,  /* said goodbye; reading until the client has, too */
};

struct conn {
    struct lb_conns *cs;
    struct lb_list link;
    struct lb_stream stream;
    enum conn_state state;
    bool surplus;   /* there were too many when it came */
    bool broken;    /* the stream failed or must not be used further */
    bool in_dead;   /* nothing more can be read of this request */
    bool timed_out; /* the idle timeout ended the body */
    bool head_late; /* it has ended the head */
    struct lb_io_timer timer;
    uint64_t deadline_ns;
    uint64_t linger_end_ns;
    uint64_t moved; /* lb_stream_sent when it was last looked at */

    char *in; /* LB_HTTP_HEAD_SIZE_MAX bytes: heads, and what came with them */
    size_t in_at, in_len;

    struct lb_exchange x;
    struct lb_http_request request;
    struct lb_arena arena;
    bool finished;     /* the handler called finish */
    bool keep;         /* the connection stays after this response; decided by head */
    uint64_t head_ns;  /* when the head's first byte came */
    uint64_t first_ns; /* when the first byte of the response was sent; 0: not yet */
    uint64_t last_ns;  /* when the last of those that were sent so far was */
    uint64_t received; /* bytes of the body, without framing */

    /* the request's body */
    bool body_eof;
    bool continue_due;  /* 100 Continue is waited for and not yet sent */
    uint64_t body_left; /* of Content-Length; of a chunked body, what would be dropped at most */
    struct lb_http_chunked chunked;
    lb_exchange_body_fn body_fn; /* a read in progress */
    size_t body_keep, body_size;
    int body_err; /* why the read in progress is to end */
    struct lb_pool_buf *body_buf;
    struct lb_pool_waiter body_waiter;
    struct lb_io_op body_defer;

    /* the response */
    struct lb_buf head;
    bool head_set, head_sent;
    bool no_body; /* none follows this head */
    bool dropped; /* another head went out in its place: the handler's body has nowhere to go */
    uint64_t length, sent;
    lb_exchange_sent_fn sent_fn; /* a send in progress */
    struct lb_slice send_data;
    int send_fd;
    uint64_t send_off;
    size_t send_len;
    struct lb_io_op send_defer;
    void (*flush_done)(struct conn *c);

    char peer[64];
};

static inline struct conn *conn_of(struct lb_exchange *x) {
    return LB_CONTAINER_OF(x, struct conn, x);
}

/* Progress was made: the idle timeout starts anew. */
void conn_touch(struct conn *c);
/* Whatever the connection waits for must come within this time, or the idle timeout if less. */
void conn_expect_within(struct conn *c, unsigned timeout_ms);

/* A phase of the exchange has ended just now. */
static inline void conn_phase(struct conn *c, enum lb_phase phase) {
    lb_exchange_phase(&c->x, phase, lb_io_clock_ns(c->cs->io));
}

/* conn_account.c: the exchange has ended: counts it, and logs what is to be logged of it. */
void conn_account(struct conn *c);

/* conn_body.c */
void conn_body_begin(struct conn *c); /* a request was parsed */
void conn_body_read(struct lb_exchange *x, size_t keep, size_t size, lb_exchange_body_fn fn);
/* Ends a read that waits for memory with err, through the loop. */
void conn_body_fail(struct conn *c, int err);
/* Can what is left of the body be read and dropped, so that the connection stays? Of a chunked body
 * that is only hoped for. */
bool conn_body_droppable(const struct conn *c);
/* Drops what has come of it. Returns 0 (body_eof tells whether it was all), or negative when the
 * connection can't stay after all: malformed framing, or too much. */
int conn_body_drop(struct conn *c);

/* conn_send.c */
void conn_send_head(struct lb_exchange *x, uint64_t length);
void conn_send(struct lb_exchange *x, struct lb_slice data, lb_exchange_sent_fn fn);
void conn_send_file(struct lb_exchange *x, int fd, uint64_t off, size_t len,
                    lb_exchange_sent_fn fn);
/* Sends a head that is still unsent, then calls done (through the loop when it had to send). */
void conn_send_flush(struct conn *c, void (*done)(struct conn *c));

#endif

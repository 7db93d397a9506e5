/* One client connection: HTTP/1.1 requests in turn, each handed to the handler as an exchange.
 * Everything runs on the loop's thread. */
#ifndef LB_SERVER_CONN_H
#define LB_SERVER_CONN_H

#include <stdatomic.h>

#include "http/exchange.h"
#include "metrics/metrics.h"
#include "server/stream.h"

/* What a loop's connections share. */
struct lb_conns {
    struct lb_io *io;
    struct lb_pool *pool;
    struct lb_budget *budget; /* of memory for requests, beside the pool; NULL: no bound */
    lb_exchange_handler handler;
    void *handler_ctx;
    struct lb_tls *tls;              /* NULL: plain */
    atomic_uint idle_timeout_ms;     /* of waiting for the client without progress. Any thread */
    atomic_bool access_log;          /* any thread may switch it */
    atomic_uint slow_ms;             /* requests that take longer are logged; 0: none. Any thread */
    struct lb_loop_metrics *metrics; /* borrowed; NULL: nothing is counted */
    size_t in_flight;                /* requests being answered */
    uint64_t slow_since_ns;          /* start of the second in which slow_n were logged */
    unsigned slow_n;
    bool draining;       /* answer with Connection: close, keep nothing alive */
    size_t n;            /* open connections */
    atomic_size_t n_max; /* those that come beyond it are answered 503 SlowDown. Any thread */
    struct lb_list list;
    void (*closed)(struct lb_conns *cs); /* a connection is gone (n is already less); may be NULL */
};

/* Begins to serve a connected socket; takes fd (closes it when there is no memory, or there are so
 * many connections that not even a 503 can be afforded). peer: the client's address as text,
 * copied.
 */
void lb_conn_open(struct lb_conns *cs, int fd, struct lb_slice peer);

/* Sets draining: closes what is idle; the rest closes after the response in progress. */
void lb_conns_drain(struct lb_conns *cs);

/* Breaks off everything that waits for a client. What waits for the engine ends when that is done.
 */
void lb_conns_abort(struct lb_conns *cs);

#endif

/* The server for those who watch: /metrics, /health/live and /health/ready by HTTP, on a thread, a
 * loop and a worker of its own, so that nothing it does is on the way of a request of S3. What it
 * tells holds no secrets: it asks nobody who he is. */
#ifndef LB_SERVER_MONITOR_H
#define LB_SERVER_MONITOR_H

#include "engine/engine.h"
#include "metrics/report.h"
#include "server/address.h"

struct lb_monitor;

/* Borrowed until lb_monitor_stop, but for address. */
struct lb_monitor_conf {
    struct lb_address address;
    enum lb_io_backend backend;
    const struct lb_metrics *metrics;
    struct lb_usage *usage;
};

/* What there is to watch once the server serves. Borrowed as well; the words are static. */
struct lb_monitor_served {
    struct lb_engine *engine;
    const struct lb_budget *budget; /* of memory for requests */
    const char *io, *hash;          /* the loops' back end, and how they do MD5 */
};

/* Starts the thread; it answers when this returns. Returns 0 and owned; or -errno. */
int lb_monitor_start(const struct lb_monitor_conf *conf, struct lb_monitor **ret);

/* Where it listens: "127.0.0.1:9091". */
const char *lb_monitor_address(const struct lb_monitor *m);

/* Tells what there is to watch, once: copied. Any thread. */
void lb_monitor_serve(struct lb_monitor *m, const struct lb_monitor_served *served);

/* Ends the thread, breaking off what is in progress, and frees. NULL is allowed. */
void lb_monitor_stop(struct lb_monitor *m);

#endif

/* An HTTP client on the simulator's wire: one request at a time on a connection that is kept. It
 * moves when it is polled, between the turns of the machine. */
#ifndef LB_TESTS_SIM_HTTP_H
#define LB_TESTS_SIM_HTTP_H

#include "base/buf.h"
#include "sim.h"

struct sim_http {
    struct sim *sim;
    struct sim_conn *conn; /* NULL: to be made */
    struct lb_buf out;     /* the request; out_at of it are sent */
    size_t out_at;
    struct lb_buf in;
    bool head; /* the response has no body */
    bool busy;
    bool broken; /* the connection was lost before the response was whole */
    int status;
    struct lb_slice headers; /* of the response: lines, in `in` */
    struct lb_slice body;
};

void sim_http_init(struct sim_http *h, struct sim *sim);
void sim_http_fini(struct sim_http *h);

/* Begins a request: "PUT /bucket/key" and its header lines (each with CRLF, borrowed until the
 * return), and a body. chunked: in chunked coding, in pieces of some odd size. */
void sim_http_start(struct sim_http *h, const char *method_target, const char *headers,
                    struct lb_slice body, bool chunked);
/* Sends and receives what there is. Returns whether the response is whole, or broken. */
bool sim_http_poll(struct sim_http *h);
/* Gives up in the middle, with a reset. */
void sim_http_reset(struct sim_http *h);
/* A header of the response, or ptr NULL. */
struct lb_slice sim_http_header(const struct sim_http *h, struct lb_slice name);

/* Where the simulated server listens. */
extern const struct sockaddr_storage sim_http_address;
extern const socklen_t sim_http_address_len;

#endif

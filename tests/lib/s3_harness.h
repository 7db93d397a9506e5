/* Whole S3 requests without sockets: an exchange in memory, the engine in memory, a real loop. A
 * call gives the text of a request and gets status, headers and body; it fails the test when
 * something is left behind. */
#ifndef LB_TESTS_LIB_S3_HARNESS_H
#define LB_TESTS_LIB_S3_HARNESS_H

#include "check.h"
#include "http/exchange.h"
#include "mem_engine.h"
#include "s3/s3.h"

struct s3_harness {
    struct lb_io *io;
    struct lb_pool *pool;
    struct lb_hash_service *hash;
    struct lb_engine *engine;
    struct lb_engine_port *port;
    struct lb_creds *creds;  /* the set; to be filled before authentication is turned on */
    struct lb_creds_box box; /* conf.creds points here when it is */
    struct lb_s3_conf conf;
    struct lb_s3_buckets buckets;
    struct lb_s3 *s3;
    struct lb_budget *budget; /* of the requests; NULL: no bound */
    unsigned calls;           /* in flight */
    const char *signer;       /* access key that signs; NULL: the administrator's */
    bool waits;               /* calls may wait for timers */
};

#define S3_HARNESS_KEY "AKIDEXAMPLE"
#define S3_HARNESS_SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

/* pool_max: bytes of the buffer pool; 0: plenty. Without authentication; with one bucket, "bucket".
 */
void s3_harness_init(struct s3_harness *h, size_t pool_max);
void s3_harness_fini(struct s3_harness *h);

struct s3_call {
    /* in */
    struct lb_slice head; /* request line and headers, without the empty line */
    struct lb_slice body; /* as sent; HTTP's chunked coding is taken off when the head says so */
    size_t piece;         /* the connection gives bodies in pieces of this size; 0: as asked for */
    int body_err;         /* the body ends with this error */
    int sent_err;         /* the client is gone when something is sent */
    size_t held;          /* bytes of the pool that the test itself holds */
    void (*first_read)(void); /* called when the body is first asked for; may be NULL */
    /* out */
    int status;
    struct lb_buf headers;
    struct lb_buf received; /* the response's body */
    uint64_t length;        /* announced */
    bool finished;
    int err;           /* of the access log */
    struct fake *fake; /* while it runs */
    unsigned reads;    /* of the body: the first one sends 100 Continue */
};

/* Runs a call to its end. Fini frees what it got. Start and end do it in two steps, so that calls
 * run side by side. */
void s3_call_run(struct s3_harness *h, struct s3_call *c);
void s3_call_start(struct s3_harness *h, struct s3_call *c);
void s3_call_end(struct s3_harness *h, struct s3_call *c);
void s3_call_fini(struct s3_call *c);

/* Runs a request without authentication and returns its status; the response stays in *c. */
int s3_call(struct s3_harness *h, struct s3_call *c, const char *head, struct lb_slice body);

/* A header of the response; ptr NULL when there is none. */
struct lb_slice s3_call_header(const struct s3_call *c, struct lb_slice name);
bool s3_call_has(const struct s3_call *c, const char *text); /* in the body */

/* Turns authentication on, and signs a head: lines "Name: value\r\n" of `headers` are signed, with
 * Host, x-amz-date and x-amz-content-sha256. Appends the whole head to ret. */
void s3_harness_auth(struct s3_harness *h);
void s3_harness_sign(struct s3_harness *h, const char *method, const char *target,
                     const char *headers, const char *payload, struct lb_buf *ret);

#endif

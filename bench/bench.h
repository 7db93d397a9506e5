/* The load generator's parts: options and requests (lobos_bench.c, requests.c), the client
 * (load.c on reply.c), and what is measured (measure.c). */
#ifndef LB_BENCH_BENCH_H
#define LB_BENCH_BENCH_H

#include "auth/sigv4.h"
#include "base/arena.h"
#include "base/slice.h"

#include <netinet/in.h>
#include <stdatomic.h>

/* ---- measure.c ---- */

/* Latencies in buckets 1/32 apart. */
#define BENCH_BUCKETS (64 * 32)
struct bench_histogram {
    uint64_t counts[BENCH_BUCKETS];
    uint64_t n;
    uint64_t max_ns;
};

uint64_t bench_now_ns(void);
void bench_histogram_add(struct bench_histogram *h, uint64_t ns);
void bench_histogram_merge(struct bench_histogram *h, const struct bench_histogram *other);

/* The latency that a share (0 to 1) of the requests did not exceed, in milliseconds. */
double bench_histogram_ms(const struct bench_histogram *h, double share);

/* CPU seconds (user and system) of a process with all its threads and descendants, from /proc.
 * Negative when there is no such process. */
double bench_cpu_s(int pid);

/* CPU seconds of this process. */
double bench_own_cpu_s(void);

/* ---- requests.c ---- */

enum bench_op {
    BENCH_GET,
    BENCH_HEAD,
    BENCH_PUT,
    BENCH_LIST,
    BENCH_MISSING,     /* GET of what isn't there: 404 */
    BENCH_CONDITIONAL, /* GET with the object's ETag: 304 */
    BENCH_MAKE_BUCKET,
};

struct bench_options {
    struct sockaddr_in address;
    char host[128]; /* the Host header: name and port of the URL */
    struct lb_slice path_prefix;
    struct lb_slice bucket;
    struct lb_slice prefix;
    enum bench_op op;
    struct lb_slice op_name;
    uint64_t size;
    unsigned concurrency;
    unsigned threads;
    unsigned objects;
    double warmup_s;
    double duration_s;
    bool prepare;
    bool json;
    bool sign_payload;
    int server_pid;      /* 0: not known */
    struct lb_cred cred; /* access_key empty: no authentication */
    struct lb_slice region;
};

#define BENCH_ETAG_MAX 80

/* A request ready to be sent again and again. */
struct bench_request {
    struct lb_slice head;
    char *etag; /* where the reply's ETag is to be put, BENCH_ETAG_MAX bytes, or NULL */
};

/* A set of requests of one kind. */
struct bench_plan {
    struct lb_arena arena;
    struct bench_request *requests;
    size_t n;
    struct lb_slice body; /* the same for all, borrowed */
    bool head_only;       /* replies have no body: HEAD */
    int status;           /* expected; 0: any of 2xx, or 409 */
};

/* Makes the requests of op for all objects. etags: those of the objects (BENCH_CONDITIONAL), or
 * where to put them (BENCH_HEAD), or NULL. Returns 0 or -ENOMEM. */
int bench_plan_init(struct bench_plan *p, const struct bench_options *o, enum bench_op op,
                    struct lb_slice body, char (*etags)[BENCH_ETAG_MAX]);
void bench_plan_fini(struct bench_plan *p);

/* ---- reply.c ---- */

/* Reads one reply off a socket; bodies are discarded in the kernel where their length is known. */
#define BENCH_REPLY_HEAD_MAX 8192
struct bench_reply {
    enum { BENCH_REPLY_HEAD, BENCH_REPLY_BODY, BENCH_REPLY_CHUNKS } state;
    size_t head_len;
    int status;
    bool close;    /* the server will close */
    uint64_t left; /* of the body, or of the chunk */
    unsigned chunk_state;
    uint64_t body_bytes; /* read so far */
    char head[BENCH_REPLY_HEAD_MAX];
};

void bench_reply_begin(struct bench_reply *r);

/* Reads what is there. Returns 1 when the reply is complete, 0 when more must come, -EPROTO for
 * what is no reply, -ECONNRESET when the server has closed, or -errno. */
int bench_reply_read(struct bench_reply *r, int fd, bool head_only);

/* The value of a header of the head that was read; ptr NULL when it isn't there. */
struct lb_slice bench_reply_header(const struct bench_reply *r, struct lb_slice name);

/* ---- load.c ---- */

enum bench_phase { BENCH_WARM, BENCH_MEASURE, BENCH_STOP };

/* A load: connections on threads, each with one request in flight. */
struct bench_load {
    const struct bench_options *options;
    const struct bench_plan *plan;
    size_t requests_max;            /* stop after as many, 0: when told */
    _Atomic enum bench_phase phase; /* only what completes under MEASURE counts */
    atomic_size_t next;             /* request to send */
};

struct bench_result {
    uint64_t ok;
    uint64_t errors;  /* wrong status, broken connections */
    int error_status; /* of the last wrong one, 0 for a broken connection */
    uint64_t bytes;   /* of bodies, both ways */
    struct bench_histogram latency;
};

/* Runs one thread's share of the load until it is done. Returns 0 or -errno when not even a
 * connection can be made. Adds to *ret. */
int bench_load_run(struct bench_load *l, unsigned connections, struct bench_result *ret);

#endif

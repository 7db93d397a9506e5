/* A request inside the S3 layer: what the router made of an exchange, and the few calls that every
 * operation is written with. One file per operation includes this; nothing outside s3/ does. */
#ifndef LB_S3_REQUEST_PRIV_H
#define LB_S3_REQUEST_PRIV_H

#include "auth/sigv4.h"
#include "base/err.h"
#include "engine/engine.h"
#include "hash/hash.h"
#include "http/exchange.h"
#include "http/uri.h"
#include "s3/bucket_settings.h"
#include "s3/s3.h"

struct s3_request;
struct s3_body;
struct s3_slow;

/* An operation: begins here once the request is addressed, authenticated and authorised. It ends in
 * exactly one of the s3_fail and s3_reply calls (or, streaming, in s3_finish). */
typedef void (*s3_op_fn)(struct s3_request *r);
/* A bucket's settings are known (err 0) or not. */
typedef void (*s3_loaded_fn)(struct s3_request *r, int err);
/* Changes settings; called again when another was faster. */
typedef void (*s3_settings_fn)(struct s3_request *r, struct lb_s3_bucket_settings *s);

enum s3_level { S3_SERVICE, S3_BUCKET, S3_OBJECT };

/* What one must be allowed to begin an operation. */
enum s3_right {
    S3_RIGHT_OWNER, /* everything: to be the bucket's owner */
    S3_RIGHT_LIST,  /* to see which keys there are */
    S3_RIGHT_WRITE, /* to write and delete objects */
    S3_RIGHT_READ,  /* to read the object; the operation asks s3_access_read when it has its meta */
    S3_RIGHT_SIGNED, /* to be a user, whatever the bucket */
};

/* What a request may do in a bucket. */
struct s3_access {
    bool owner; /* everything */
    bool list;
    bool read; /* every object; without it those whose ACL allows it */
    bool write;
};

struct s3_op {
    const char *name; /* "GetObject": for logs and metrics */
    enum lb_http_method method;
    enum s3_level level;
    const char *subresource; /* query parameter that selects it ("uploads"), or NULL for the plain
                                operation */
    bool copy;               /* with x-amz-copy-source */
    const char *params;      /* further parameters it takes, separated by spaces; NULL: none */
    enum s3_right right;
    s3_op_fn fn;
};

struct s3_request {
    struct lb_s3 *s3;
    struct lb_exchange *x;
    const struct s3_op *op;
    struct lb_slice bucket;  /* empty on the service */
    struct lb_slice key;     /* decoded; empty on service and bucket */
    struct lb_slice version; /* asked for by versionId; empty: none */
    struct lb_query query;
    struct lb_auth_result auth;
    struct s3_access access;                /* in bucket */
    struct s3_access source;                /* in the bucket that is copied from */
    struct lb_s3_bucket_settings *settings; /* of bucket; NULL: not known, see s3_bucket_load */
    uint64_t settings_at;                   /* s3_settings_cache_at when they were read */
    struct lb_slice settings_blob;          /* as they were read from the engine */
    bool settings_damaged;
    unsigned settings_tries; /* to change them */
    s3_op_fn then;           /* what follows while settings are looked up */
    s3_loaded_fn loaded;     /* likewise, within the look-up */
    s3_settings_fn change;
    s3_op_fn allowed;        /* what follows once access is decided */
    char id[17];             /* x-amz-request-id */
    lb_engine_done eng_done; /* what follows the call in flight */
    struct lb_engine_op eng; /* the operation's engine call in flight; eng.user is this request */
    bool object_checksum;    /* checksum headers are of the object that is made, not of the body */
    struct s3_body *body;    /* while a body is read */
    struct lb_buf *reply;    /* a document on its way out */
    struct s3_slow *slow;    /* once s3_slow_begin was called */
    void *state;             /* the operation's own, from the arena */
    int refusal;             /* the error to answer when its time has come */
    struct lb_io_timer refusal_timer;
};

/* The request that an engine operation belongs to (for ops that are r->eng, or whose user is the
 * request). */
static inline struct s3_request *s3_of(struct lb_engine_op *op) {
    return op->user;
}

/* Clears r->eng and sets arena, user, bucket, key and done: ready for a method of r->s3->port->ops.
 * Not while a call is in flight. */
struct lb_engine_op *s3_engine_op(struct s3_request *r, lb_engine_done done);

/* A phase of the request has ended just now. */
static inline void s3_phase(struct s3_request *r, enum lb_phase phase) {
    lb_exchange_phase(r->x, phase, lb_io_clock_ns(r->s3->io));
}

/* The same for a method that makes, replaces or removes an object: says what becomes of versions,
 * and what the bucket promises. Only with r->settings, which all operations on objects have. */
struct lb_engine_op *s3_engine_write(struct s3_request *r, lb_engine_done done);

/* Are writes to the bucket relaxed? Only with r->settings. */
bool s3_relaxed(const struct s3_request *r);

/* A header of the request, by name without case; ptr NULL when absent. A query parameter's value;
 * ptr NULL when absent ("" when empty). */
struct lb_slice s3_request_header(const struct s3_request *r, struct lb_slice name);
struct lb_slice s3_query(const struct s3_request *r, struct lb_slice name);

/* A header "x-amz-...", or the parameter that stands for it in a presigned request; ptr NULL when
 * absent. */
struct lb_slice s3_request_field(const struct s3_request *r, struct lb_slice name);

/* Adds a header to the response. */
void s3_header(struct s3_request *r, struct lb_slice name, struct lb_slice value);
void s3_header_u64(struct s3_request *r, struct lb_slice name, uint64_t value);
void s3_header_etag(struct s3_request *r, const struct lb_etag *etag); /* quoted */

/* Adds x-amz-version-id, in a bucket that is or was versioned. Only with r->settings. */
void s3_header_version(struct s3_request *r, const struct lb_version_id *version);

/* The same for one that a write has made: S3 does not tell of a null one there. */
void s3_header_made(struct s3_request *r, const struct lb_version_id *version);

/* Is it the id of a version, as an engine makes them? */
bool s3_version_valid(struct lb_slice id);

/* Who sent the request: its credential's, "anonymous", or the administrator without authentication.
 */
struct lb_slice s3_user_id(const struct s3_request *r);
struct lb_slice s3_user_name(const struct s3_request *r);

/* Whose the bucket is, and all objects in it. Only with r->settings. */
struct lb_slice s3_owner_id(const struct s3_request *r);
struct lb_slice s3_owner_name(const struct s3_request *r);

/* Where the bucket is: its constraint, or the configuration's region. Only with r->settings. */
struct lb_slice s3_bucket_region(const struct s3_request *r);

/* A query parameter as a number: absent (or empty) gives `absent`. Returns 0, or INVALID_ARGUMENT
 * for what is no number or above max. */
int s3_query_u64(const struct s3_request *r, struct lb_slice name, uint64_t absent, uint64_t max,
                 uint64_t *ret);

/* The next random-looking 64-bit number of the service. */
uint64_t s3_next_id(struct lb_s3 *s);

/* Answers with the error document of err (no body for HEAD and 304) and ends the request. Headers
 * added before are dropped, but for 304 and 416. The second form has a message of its own (static,
 * without anything that XML escapes); the third adds one element (<ActualObjectSize>0</...>) to the
 * document. */
void s3_fail(struct s3_request *r, int err);
void s3_fail_message(struct s3_request *r, int err, const char *message);
/* element: its name, static. */
void s3_fail_detail(struct s3_request *r, int err, const char *element, struct lb_slice value);

/* The answer to what an engine said when an object was asked for: tells of a delete marker that is
 * in its place. */
void s3_fail_missing(struct s3_request *r, const struct lb_engine_op *op, int err);

/* An empty document of at most size_max bytes, charged to the exchange's budget of memory: for what
 * may become large. */
void s3_document_init(const struct s3_request *r, struct lb_buf *b, size_t size_max);

/* Answers with a status and no body, or with an XML document (copied to the socket before the
 * request ends; the buffer must live in r->state or the arena and is freed with lb_buf_fini by the
 * call), and ends the request. */
void s3_reply(struct s3_request *r, int status);
void s3_reply_xml(struct s3_request *r, int status, struct lb_buf *xml);

/* Sets the response's head aside with x-amz-request-id and x-amz-id-2 added; for operations that
 * send their bodies themselves. length as in lb_exchange_ops.head. */
void s3_head(struct s3_request *r, int status, uint64_t length);

/* Ends the request after s3_head and sends of one's own. */
void s3_finish(struct s3_request *r);

/* An lb_exchange_sent_fn for the last send: frees r->reply and ends the request. */
void s3_sent(struct lb_exchange *x, int err);

/* Reads the whole body (at most size_max bytes, else MALFORMED_XML), verified against content hash,
 * Content-MD5 and checksum headers, then calls fn with it (arena memory); on an error it fails the
 * request itself. */
typedef void (*s3_document_fn)(struct s3_request *r, struct lb_slice document);
void s3_read_document(struct s3_request *r, size_t size_max, s3_document_fn fn);

#endif

/* The body of a request as a stream: framings taken off, signatures of chunks verified, repacked
 * into full buffers, hashed and written side by side, verified at the end. Memory is a window of
 * buffers, however long the body.
 *
 * A buffer is given back when both its hash and its write are done. Payload never reaches the
 * engine in pieces that are not multiples of LB_WRITE_UNIT, but for the last. */
#ifndef LB_S3_BODY_PRIV_H
#define LB_S3_BODY_PRIV_H

#include "s3/checksum_priv.h"
#include "s3/request_priv.h"

#define S3_BODY_BUF (256u * 1024u)
#define S3_OBJECT_SIZE_MAX (50ull << 40) /* bytes of one object */

/* What a body is read for. */
enum s3_body_use {
    S3_BODY_OBJECT,   /* has an MD5; its length must be declared or chunked */
    S3_BODY_DOCUMENT, /* may be absent */
};

/* The body is whole and verified (0), or not (err), and nothing of it is in flight any more. */
typedef void (*s3_body_done)(struct s3_request *r, int err);

/* What is known of the body, once done. */
struct s3_body_result {
    uint64_t size;
    struct lb_digest md5;   /* of an object */
    unsigned checksum_kind; /* that was asked for, or LB_HASH_KINDS */
    struct lb_digest checksum;
};

/* Looks at the headers and sets r->body up; nothing is read yet. checksum_kind: a checksum to be
 * computed when the request brings none of its own (LB_HASH_KINDS: none); when it brings another,
 * that is INVALID_REQUEST. Returns 0; MISSING_LENGTH, INVALID_DIGEST, INVALID_REQUEST,
 * INVALID_ARGUMENT, ENTITY_TOO_LARGE, -ENOMEM. */
int s3_body_open(struct s3_request *r, enum s3_body_use use, unsigned checksum_kind);

/* Bytes of payload to come, or LB_SIZE_UNKNOWN. */
uint64_t s3_body_size(const struct s3_request *r);

/* Reads it all into the writer, which stays the caller's to commit or abort when done is called. */
void s3_body_write(struct s3_request *r, struct lb_writer *w, s3_body_done done);

/* After done: the results (borrowed from the body). */
const struct s3_body_result *s3_body_result(const struct s3_request *r);

/* Frees what r->body holds; nothing may be in flight. Called when the request ends. NULL is
 * allowed. */
void s3_body_close(struct s3_request *r);

#endif

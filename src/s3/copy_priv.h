/* Copying bytes of one object into a writer, for CopyObject and UploadPartCopy. */
#ifndef LB_S3_COPY_PRIV_H
#define LB_S3_COPY_PRIV_H

#include "s3/request_priv.h"

struct s3_copy;

/* All bytes are in the writer (0) or not (err); nothing is in flight. */
typedef void (*s3_copy_done)(struct s3_copy *c, int err);

struct s3_copy {
    /* in */
    struct s3_request *r;
    struct lb_reader *reader;
    struct lb_writer *writer;
    uint64_t off, len; /* of the source */
    unsigned kinds;    /* LB_HASH_BITs to be computed of the bytes; 0: the engine may clone */
    s3_copy_done done;

    /* inside */
    struct lb_engine_op read_op, write_op;
    struct lb_hash_stream hash;
    struct lb_hash_job job;
    struct lb_pool_buf *buf;
    unsigned pending; /* of hash and write, for the piece in buf */
    int err;
};

/* Copies. The digests are c->hash's when done is called; s3_copy_fini frees them. */
void s3_copy_start(struct s3_copy *c);
/* Harmless on a zeroed one. */
void s3_copy_fini(struct s3_copy *c);

#endif

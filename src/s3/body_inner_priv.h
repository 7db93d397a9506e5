/* The inside of a streaming body: shared by body_open.c (what the headers promise), body.c
 * (buffers, hashes and writes) and body_frame.c (aws-chunked). */
#ifndef LB_S3_BODY_INNER_PRIV_H
#define LB_S3_BODY_INNER_PRIV_H

#include "http/chunked.h"
#include "s3/body_priv.h"

#define S3_FRAME_READ (64u * 1024u) /* framed bytes read at a time */

/* A buffer of payload being filled, hashed and written. */
struct s3_slot {
    struct s3_body *body;
    struct lb_pool_buf *buf; /* NULL: the slot is free */
    unsigned pending;        /* of its hash and its write, how many are not done */
    struct lb_hash_job job;
    struct lb_engine_op op;
};

/* An aws-chunked framing being taken off. */
struct s3_frame {
    bool verify;         /* chunks are signed, and there is someone to check it by */
    bool trailer_signed; /* so is the trailer */
    bool trailer_verified;
    bool done;                /* the framing is complete */
    struct lb_pool_buf *raw;  /* framed bytes; NULL when all are used */
    struct lb_slice in;       /* of raw: not yet decoded */
    struct lb_slice rest;     /* of raw: payload not yet copied */
    struct s3_slot *filling;  /* where it is copied to */
    struct lb_hasher hasher;  /* of the current chunk, when verify */
    struct lb_slice trailers; /* canonical text so far, arena memory */
    struct lb_aws_chunked decoder;
};

struct s3_body {
    struct s3_request *r;
    s3_body_done done;
    struct lb_writer *writer; /* NULL: the payload goes to the document */
    struct lb_buf document;
    s3_document_fn document_fn;

    /* What the headers promise. */
    uint64_t size; /* of the payload, or LB_SIZE_UNKNOWN */
    bool has_md5, has_sha256, has_checksum;
    bool wants_trailer; /* the checksum comes in the trailer */
    uint8_t md5[16];
    struct lb_digest checksum;
    unsigned kinds;         /* LB_HASH_BITs to compute */
    struct s3_frame *frame; /* NULL: the body is the payload */

    /* What is going on. */
    bool reading;  /* x->ops->read is in flight */
    bool eof;      /* it has said that there is no more */
    bool waiting;  /* for the pool to have a buffer */
    bool waking;   /* it has; `wake` is in flight */
    bool ended;    /* done has been called */
    int err;       /* the first one */
    unsigned busy; /* slots with something pending */
    unsigned slots_n;
    struct s3_slot *slots;
    struct lb_hash_stream hash;
    struct lb_pool_waiter waiter;
    struct lb_io_op wake;
    struct s3_body_result result; /* size: payload so far */
};

/* Takes up a piece of payload whose buffer the slot holds. */
void s3_body_submit(struct s3_body *b, struct s3_slot *slot);
/* A slot that is free, or NULL. */
struct s3_slot *s3_body_slot(struct s3_body *b);
/* Waits for memory, then goes on. */
void s3_body_wait(struct s3_body *b);
/* Notes an error; the first one counts. */
void s3_body_break(struct s3_body *b, int err);

/* Decodes what there is: until more is needed, a buffer is, or the body is broken. */
void s3_frame_decode(struct s3_body *b);
void s3_frame_fini(struct s3_frame *f);

#endif

/* The inside of a streaming body: shared by body_open.c (what the headers promise), body.c
 * (buffers, hashes and writes) and body_frame.c (aws-chunked). */
#ifndef LB_S3_BODY_INNER_PRIV_H
#define LB_S3_BODY_INNER_PRIV_H

#include "http/chunked.h"
#include "s3/body_priv.h"

/* A buffer of payload being filled, hashed and written. */
struct s3_slot {
    struct s3_body *body;
    struct lb_pool_buf *buf; /* NULL: the slot is free */
    unsigned pending;        /* of its hash and its write, how many are not done */
    struct lb_hash_job job;
    struct lb_engine_op op;
};

/* An aws-chunked framing being taken off. What is left is written in whole units: the payload
 * behind the last one waits for the next buffer. */
struct s3_frame {
    bool verify;         /* chunks are signed, and there is someone to check it by */
    bool trailer_signed; /* so is the trailer */
    bool trailer_verified;
    bool done;                /* the framing is complete */
    struct lb_hasher hasher;  /* of the current chunk, when verify */
    struct lb_slice trailers; /* canonical text so far, arena memory */
    struct lb_aws_chunked decoder;
    uint32_t carried_n;
    char carried[LB_WRITE_UNIT];
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
    bool ended;    /* done has been called */
    int err;       /* the first one */
    unsigned busy; /* slots with something pending */
    unsigned slots_n;
    struct s3_slot *slots;
    struct lb_hash_stream hash;
    struct s3_body_result result; /* size: payload so far */
};

/* Takes the framing off in place. buf: what was read, behind carried_n bytes that were left free;
 * buf->len becomes the payload that is to be written now, which may be none. Returns 0, or what is
 * wrong with the body. */
int s3_frame_decode(struct s3_body *b, struct lb_pool_buf *buf);

/* The size of buffer that the next read of a framed body should ask for. */
size_t s3_frame_read_size(const struct s3_body *b);

#endif

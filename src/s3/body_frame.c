/* aws-chunked bodies: the framing comes off in the buffers that were read, chunks' signatures are
 * verified, and the payload is moved together. */
#include "s3/body_inner_priv.h"

#define FRAMING 1024 /* bytes of a small body that are no payload: a guess */

static int chunk_begins(struct s3_body *b) {
    struct s3_frame *f = b->frame;
    if (f->decoder.chunk_len > b->size - b->result.size)
        return LB_ERR_INCOMPLETE_BODY;
    if (!f->verify)
        return 0;
    lb_hasher_fini(&f->hasher);
    return lb_hasher_init(&f->hasher, LB_HASH_BIT(LB_HASH_SHA256));
}

static int chunk_ends(struct s3_body *b) {
    struct s3_frame *f = b->frame;
    struct lb_digest d;
    if (!f->verify)
        return 0;
    lb_hasher_final(&f->hasher, LB_HASH_SHA256, &d);
    return lb_sigv4_chunk(&b->r->auth.stream, d.bytes, lb_slice_cstr(f->decoder.signature));
}

static int trailer_checksum(struct s3_body *b, unsigned kind, struct lb_slice value) {
    if (!b->wants_trailer || b->has_checksum || kind != b->result.checksum_kind)
        return LB_ERR_MALFORMED_TRAILER;
    if (s3_checksum_parse(kind, value, &b->checksum) < 0)
        return LB_ERR_INVALID_REQUEST;
    b->has_checksum = true;
    return 0;
}

static int trailer(struct s3_body *b) {
    struct s3_frame *f = b->frame;
    struct lb_slice name = f->decoder.name, value = f->decoder.value;
    if (lb_slice_eq_nocase(name, LB_S("x-amz-trailer-signature"))) {
        f->trailer_verified = true;
        return f->trailer_signed ? lb_sigv4_trailer(&b->r->auth.stream, f->trailers, value) : 0;
    }
    unsigned kind = s3_checksum_by_header(name);
    if (kind == LB_HASH_KINDS || f->trailer_verified)
        return LB_ERR_MALFORMED_TRAILER;
    int err = trailer_checksum(b, kind, value);
    struct lb_slice header = s3_checksum_header(kind); /* in lower case, as it was signed */
    return err < 0 ? err
                   : lb_arena_printf(b->r->x->arena, &f->trailers, "%.*s%.*s:%.*s\n",
                                     LB_SLICE_ARG(f->trailers), LB_SLICE_ARG(header),
                                     LB_SLICE_ARG(value));
}

static int frame_ends(struct s3_body *b) {
    struct s3_frame *f = b->frame;
    f->done = true;
    if (b->wants_trailer && !b->has_checksum)
        return LB_ERR_MALFORMED_TRAILER;
    return f->trailer_signed && !f->trailer_verified ? LB_ERR_SIGNATURE_MISMATCH : 0;
}

/* Payload that was found: it moves up behind what there is. */
static void add_data(struct s3_body *b, struct lb_pool_buf *buf) {
    struct s3_frame *f = b->frame;
    struct lb_slice data = f->decoder.data;
    b->result.size += data.len;
    if (f->verify)
        lb_hasher_update(&f->hasher, data);
    memmove(buf->ptr + buf->len, data.ptr, data.len);
    buf->len += (uint32_t)data.len;
}

static int on_event(struct s3_body *b, int event, struct lb_pool_buf *buf) {
    switch (event) {
    case LB_AWS_CHUNK_BEGIN:
        return chunk_begins(b);
    case LB_AWS_CHUNK_DATA:
        add_data(b, buf);
        return 0;
    case LB_AWS_CHUNK_END:
        return chunk_ends(b);
    case LB_AWS_CHUNK_TRAILER:
        return trailer(b);
    case LB_AWS_CHUNK_DONE:
        return frame_ends(b);
    default:
        return event;
    }
}

int s3_frame_decode(struct s3_body *b, struct lb_pool_buf *buf) {
    struct s3_frame *f = b->frame;
    struct lb_slice in = lb_slice(buf->ptr + f->carried_n, buf->len - f->carried_n);
    int event = LB_AWS_CHUNK_DATA;
    memcpy(buf->ptr, f->carried, f->carried_n);
    buf->len = f->carried_n;
    while (!f->done && event != LB_AWS_CHUNK_MORE) {
        event = lb_aws_chunked_next(&f->decoder, &in);
        int err = on_event(b, event, buf);
        if (err < 0)
            return err;
    }
    if (in.len)
        return LB_ERR_INVALID_CHUNK;
    f->carried_n = f->done ? 0 : buf->len % LB_WRITE_UNIT;
    buf->len -= f->carried_n;
    memcpy(f->carried, buf->ptr + buf->len, f->carried_n);
    return 0;
}

size_t s3_frame_read_size(const struct s3_body *b) {
    uint64_t left = b->size - b->result.size;
    uint64_t size = b->frame->carried_n + left + left / 16 + FRAMING;
    return left < S3_BODY_BUF && size < S3_BODY_BUF ? (size_t)size : S3_BODY_BUF;
}

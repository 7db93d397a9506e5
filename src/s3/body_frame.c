/* aws-chunked bodies: the framing comes off, chunks' signatures are verified, and the payload is
 * packed into full buffers. */
#include "s3/body_inner_priv.h"

#include <errno.h>

/* A buffer for payload. Returns false when there is none yet, or ever: a body that holds nothing
 * which will be given back must not wait, since all could wait so for each other. */
static bool begin_filling(struct s3_body *b) {
    struct s3_frame *f = b->frame;
    struct s3_slot *slot = s3_body_slot(b);
    uint64_t left = b->size - (b->result.size - f->rest.len);
    if (!slot)
        return false;
    slot->buf = lb_pool_get(b->r->x->pool, left < S3_BODY_BUF ? (size_t)left : S3_BODY_BUF);
    if (slot->buf) {
        slot->buf->len = 0;
        f->filling = slot;
    } else if (b->busy) {
        s3_body_wait(b);
    } else {
        s3_body_break(b, LB_ERR_SLOW_DOWN);
    }
    return slot->buf != NULL;
}

/* Copies payload to full buffers. Returns false when there is no buffer to be had. */
static bool pack(struct s3_body *b) {
    struct s3_frame *f = b->frame;
    while (f->rest.len) {
        if (!f->filling && !begin_filling(b))
            return false;
        struct lb_pool_buf *buf = f->filling->buf;
        size_t n = f->rest.len < buf->cap - buf->len ? f->rest.len : buf->cap - buf->len;
        memcpy(buf->ptr + buf->len, f->rest.ptr, n);
        buf->len += (uint32_t)n;
        f->rest = lb_slice_from(f->rest, n);
        if (buf->len == buf->cap) {
            s3_body_submit(b, f->filling);
            f->filling = NULL;
        }
    }
    return true;
}

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
    if (f->in.len)
        return LB_ERR_INVALID_CHUNK;
    if (b->wants_trailer && !b->has_checksum)
        return LB_ERR_MALFORMED_TRAILER;
    return f->trailer_signed && !f->trailer_verified ? LB_ERR_SIGNATURE_MISMATCH : 0;
}

/* All that was read has been used. */
static void put_raw(struct s3_body *b) {
    struct s3_frame *f = b->frame;
    struct lb_pool_buf *raw = f->raw;
    f->raw = NULL;
    f->in = f->rest = lb_slice(NULL, 0);
    lb_pool_put(raw);
}

static int on_event(struct s3_body *b, int event) {
    struct s3_frame *f = b->frame;
    switch (event) {
    case LB_AWS_CHUNK_BEGIN:
        return chunk_begins(b);
    case LB_AWS_CHUNK_DATA:
        f->rest = f->decoder.data;
        b->result.size += f->rest.len;
        if (f->verify)
            lb_hasher_update(&f->hasher, f->rest);
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

void s3_frame_decode(struct s3_body *b) {
    struct s3_frame *f = b->frame;
    while (f->raw && b->err == 0 && pack(b)) {
        if (f->done && f->in.len) {
            s3_body_break(b, LB_ERR_INVALID_CHUNK);
            break;
        }
        int event = f->done ? LB_AWS_CHUNK_MORE : lb_aws_chunked_next(&f->decoder, &f->in);
        int err = on_event(b, event);
        if (err < 0)
            s3_body_break(b, err);
        if (event == LB_AWS_CHUNK_MORE)
            put_raw(b);
    }
    if (f->done && f->filling && b->err == 0) {
        s3_body_submit(b, f->filling);
        f->filling = NULL;
    }
}

void s3_frame_fini(struct s3_frame *f) {
    struct lb_pool_buf *raw = f->raw;
    f->raw = NULL;
    if (f->filling) {
        lb_pool_put(f->filling->buf);
        f->filling->buf = NULL;
        f->filling = NULL;
    }
    lb_hasher_fini(&f->hasher);
    f->hasher = (struct lb_hasher){.kinds = 0};
    lb_pool_put(raw);
}

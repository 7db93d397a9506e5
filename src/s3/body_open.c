/* What a request's headers promise of its body: its length, its framing, its digests. */
#include "s3/body_inner_priv.h"

#include <errno.h>

#define WINDOW 2

static int open_md5(struct s3_body *b, enum s3_body_use use) {
    struct lb_slice value = s3_request_header(b->r, LB_S("content-md5"));
    if (value.ptr) {
        if (s3_base64_decode(value, b->md5, sizeof(b->md5)) < 0)
            return LB_ERR_INVALID_DIGEST;
        b->has_md5 = true;
    }
    if (b->has_md5 || use == S3_BODY_OBJECT)
        b->kinds |= LB_HASH_BIT(LB_HASH_MD5);
    return 0;
}

/* The checksum that x-amz-trailer announces; LB_HASH_KINDS when none is. */
static int trailer_kind(const struct s3_request *r, unsigned *ret) {
    struct lb_slice names = s3_request_header(r, LB_S("x-amz-trailer"));
    unsigned found = LB_HASH_KINDS;
    while (names.ptr) {
        struct lb_slice name = lb_slice_trim(lb_slice_cut(&names, ','));
        unsigned kind = s3_checksum_by_header(name);
        if (name.len && (kind == LB_HASH_KINDS || found != LB_HASH_KINDS))
            return LB_ERR_INVALID_REQUEST;
        if (name.len)
            found = kind;
    }
    *ret = found;
    return 0;
}

/* The checksum that x-amz-sdk-checksum-algorithm names; LB_HASH_KINDS when there is none. MD5 may
 * be named too: it is computed and checked anyway, by Content-MD5. */
static int named_kind(const struct s3_request *r, unsigned *ret) {
    struct lb_slice name = s3_request_header(r, LB_S("x-amz-sdk-checksum-algorithm"));
    *ret = s3_checksum_by_name(name);
    return name.len == 0 || *ret != LB_HASH_KINDS || lb_slice_eq_nocase(name, LB_S("MD5"))
               ? 0
               : LB_ERR_INVALID_REQUEST;
}

/* The first that is one. Returns INVALID_REQUEST when another contradicts it. */
static int agree(const unsigned *kinds, size_t n, unsigned *ret) {
    *ret = LB_HASH_KINDS;
    for (size_t i = 0; i < n; i++) {
        if (*ret == LB_HASH_KINDS)
            *ret = kinds[i];
        else if (kinds[i] != LB_HASH_KINDS && kinds[i] != *ret)
            return LB_ERR_INVALID_REQUEST;
    }
    return 0;
}

/* The checksum's kind: of its header, announced for the trailer, named by the SDK, asked for by the
 * caller. */
static int open_checksum(struct s3_body *b, unsigned asked) {
    enum { HEADER, TRAILER, NAMED, ASKED, N };
    unsigned kinds[N] = {[ASKED] = asked};
    int err = 0;
    if (b->r->object_checksum)
        kinds[HEADER] = LB_HASH_KINDS;
    else
        err = s3_checksum_from_headers(b->r, &kinds[HEADER], &b->checksum);
    if (err == 0)
        err = trailer_kind(b->r, &kinds[TRAILER]);
    if (err == 0)
        err = named_kind(b->r, &kinds[NAMED]);
    if (err == 0)
        err = agree(kinds, N, &b->result.checksum_kind);
    if (err < 0)
        return err;
    b->has_checksum = kinds[HEADER] != LB_HASH_KINDS;
    b->wants_trailer = kinds[TRAILER] != LB_HASH_KINDS;
    if (b->wants_trailer && (b->has_checksum || !b->frame))
        return LB_ERR_INVALID_REQUEST;
    if (b->result.checksum_kind != LB_HASH_KINDS)
        b->kinds |= LB_HASH_BIT(b->result.checksum_kind);
    return 0;
}

static bool encoded_aws_chunked(const struct s3_request *r) {
    struct lb_slice list = s3_request_header(r, LB_S("content-encoding"));
    while (list.ptr) {
        if (lb_slice_eq_nocase(lb_slice_trim(lb_slice_cut(&list, ',')), LB_S("aws-chunked")))
            return true;
    }
    return false;
}

static int open_frame(struct s3_body *b) {
    const struct lb_auth_result *auth = &b->r->auth;
    bool is_signed =
        auth->payload == LB_AUTH_PAYLOAD_STREAM || auth->payload == LB_AUTH_PAYLOAD_STREAM_TRAILER;
    b->has_sha256 = auth->payload == LB_AUTH_PAYLOAD_SHA256;
    if (!is_signed && auth->payload != LB_AUTH_PAYLOAD_STREAM_UNSIGNED &&
        (b->has_sha256 || !encoded_aws_chunked(b->r))) {
        b->kinds |= b->has_sha256 ? LB_HASH_BIT(LB_HASH_SHA256) : 0;
        return 0;
    }
    b->frame = lb_arena_zalloc(b->r->x->arena, sizeof(*b->frame));
    if (!b->frame)
        return -ENOMEM;
    b->frame->verify = is_signed && auth->cred;
    b->frame->trailer_signed = b->frame->verify && auth->payload == LB_AUTH_PAYLOAD_STREAM_TRAILER;
    return 0;
}

static int open_length(struct s3_body *b, enum s3_body_use use) {
    const struct lb_http_request *h = b->r->x->request;
    if (h->content_length == LB_HTTP_LENGTH_NONE && !h->chunked && use == S3_BODY_OBJECT)
        return LB_ERR_MISSING_LENGTH;
    b->size = h->chunked ? LB_SIZE_UNKNOWN : h->content_length;
    if (h->content_length == LB_HTTP_LENGTH_NONE && !h->chunked)
        b->size = 0;
    if (b->frame) {
        struct lb_slice value = s3_request_header(b->r, LB_S("x-amz-decoded-content-length"));
        b->size = LB_SIZE_UNKNOWN;
        if (value.ptr && lb_slice_to_u64(value, &b->size) < 0)
            return LB_ERR_INVALID_ARGUMENT;
        if (value.ptr && b->size == LB_SIZE_UNKNOWN)
            return LB_ERR_ENTITY_TOO_LARGE;
    }
    if (b->size != LB_SIZE_UNKNOWN && b->size > S3_OBJECT_SIZE_MAX)
        return LB_ERR_ENTITY_TOO_LARGE;
    return 0;
}

static int open_window(struct s3_body *b, enum s3_body_use use) {
    unsigned window = b->r->s3->conf->body_window ? b->r->s3->conf->body_window : WINDOW;
    if (use == S3_BODY_DOCUMENT || b->size <= S3_BODY_BUF)
        window = 1;
    b->slots = lb_arena_zalloc(b->r->x->arena, window * sizeof(b->slots[0]));
    if (!b->slots)
        return -ENOMEM;
    b->slots_n = window;
    for (unsigned i = 0; i < window; i++)
        b->slots[i].body = b;
    return lb_hash_stream_init(&b->hash, b->r->s3->hash, b->kinds);
}

int s3_body_open(struct s3_request *r, enum s3_body_use use, unsigned checksum_kind) {
    struct s3_body *b = lb_arena_zalloc(r->x->arena, sizeof(*b));
    if (!b)
        return -ENOMEM;
    b->r = r;
    int err = open_frame(b);
    if (err == 0)
        err = open_length(b, use);
    if (err == 0)
        err = open_md5(b, use);
    if (err == 0)
        err = open_checksum(b, checksum_kind);
    if (err == 0)
        err = open_window(b, use);
    if (err == 0)
        r->body = b;
    return err;
}

uint64_t s3_body_size(const struct s3_request *r) {
    return r->body->size;
}

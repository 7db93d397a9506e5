/* The pipeline of a body: read, hash and write side by side, within a window of buffers. */
#include <errno.h>

#include "s3/access_priv.h"
#include "s3/body_inner_priv.h"

static void pump(struct s3_body *b);

static void set_err(struct s3_body *b, int err) {
    if (b->err == 0)
        b->err = err;
}

static struct s3_slot *free_slot(struct s3_body *b) {
    for (unsigned i = 0; i < b->slots_n; i++) {
        if (!b->slots[i].buf)
            return &b->slots[i];
    }
    return NULL;
}

/* One of the two things that hold a slot's buffer is done. The buffer goes back last: whoever waits
 * for memory may run from there, and the request may be over. */
static void slot_done(struct s3_slot *slot) {
    struct lb_pool_buf *buf = slot->buf;
    if (--slot->pending > 0)
        return;
    slot->buf = NULL;
    slot->body->busy--;
    pump(slot->body);
    lb_pool_put(buf);
}

static void on_hashed(struct lb_hash_job *job) {
    slot_done(LB_CONTAINER_OF(job, struct s3_slot, job));
}

static void on_written(struct lb_engine_op *op, int err) {
    struct s3_slot *slot = op->user;
    s3_phase(slot->body->r, LB_PHASE_IO);
    if (err < 0)
        set_err(slot->body, err);
    slot_done(slot);
}

/* Takes up a piece of payload whose buffer the slot holds. */
static void submit(struct s3_body *b, struct s3_slot *slot) {
    struct lb_slice data = lb_slice(slot->buf->ptr, slot->buf->len);
    if (!b->writer)
        lb_buf_append(&b->document, data);
    if (b->document.err)
        set_err(b, b->document.err == -EMSGSIZE ? LB_ERR_MALFORMED_XML : b->document.err);
    b->busy++;
    slot->pending = 1 + (b->writer != NULL);
    slot->job.done = on_hashed;
    lb_hash_stream_add(&b->hash, &slot->job, data);
    if (b->writer) {
        slot->op = (struct lb_engine_op){.done = on_written, .arena = b->r->x->arena, .user = slot};
        b->writer->port->ops->write(b->writer, &slot->op, slot->buf);
    }
}

/* Takes what was read. Returns false when the buffer stays the caller's. */
static bool take(struct s3_body *b, struct lb_pool_buf *buf) {
    if (b->err < 0 || !buf)
        return false;
    if (b->frame) {
        set_err(b, s3_frame_decode(b, buf));
    } else if (buf->len > b->size - b->result.size) {
        set_err(b, LB_ERR_INCOMPLETE_BODY);
    } else {
        b->result.size += buf->len;
    }
    if (b->err < 0 || buf->len == 0)
        return false;
    struct s3_slot *slot = free_slot(b);
    slot->buf = buf;
    submit(b, slot);
    return true;
}

static void on_read(struct lb_exchange *x, int err, struct lb_pool_buf *buf) {
    struct s3_request *r = x->handler;
    struct s3_body *b = r->body;
    b->reading = false;
    b->eof = err == 0 && !buf;
    if (err < 0)
        set_err(b, err);
    if (take(b, buf))
        buf = NULL;
    if (b->eof && b->frame && !b->frame->done)
        set_err(b, LB_ERR_INCOMPLETE_BODY);
    pump(b);
    lb_pool_put(buf);
}

static void read_more(struct s3_body *b) {
    if (b->err < 0 || b->eof || b->reading || !free_slot(b))
        return;
    b->reading = true;
    size_t keep = b->frame ? b->frame->carried_n : 0;
    size_t size = b->frame ? s3_frame_read_size(b) : S3_BODY_BUF;
    b->r->x->ops->read(b->r->x, keep, size, on_read);
}

/* Takes the checksum that was asked for, and holds it against the one that was sent. sha256: the
 * payload's, which can be taken only once, when it was; else NULL. */
static int verify_checksum(struct s3_body *b, const struct lb_digest *sha256) {
    struct s3_body_result *res = &b->result;
    if (res->checksum_kind == LB_HASH_KINDS)
        return 0;
    if (sha256 && res->checksum_kind == LB_HASH_SHA256)
        res->checksum = *sha256;
    else
        lb_hash_stream_final(&b->hash, res->checksum_kind, &res->checksum);
    bool same =
        !b->has_checksum || lb_hash_eq(res->checksum.bytes, b->checksum.bytes, res->checksum.len);
    return same ? 0 : LB_ERR_BAD_DIGEST;
}

/* The end: is it what was promised? */
static int verify(struct s3_body *b) {
    struct s3_body_result *res = &b->result;
    struct lb_digest sha256;
    if (b->size != LB_SIZE_UNKNOWN && res->size != b->size)
        return LB_ERR_INCOMPLETE_BODY;
    if (b->has_sha256) {
        lb_hash_stream_final(&b->hash, LB_HASH_SHA256, &sha256);
        if (!lb_hash_eq(sha256.bytes, b->r->auth.sha256, sha256.len))
            return LB_ERR_PAYLOAD_HASH_MISMATCH;
    }
    if (b->kinds & LB_HASH_BIT(LB_HASH_MD5))
        lb_hash_stream_final(&b->hash, LB_HASH_MD5, &res->md5);
    if (b->has_md5 && !lb_hash_eq(res->md5.bytes, b->md5, sizeof(b->md5)))
        return LB_ERR_BAD_DIGEST;
    return verify_checksum(b, b->has_sha256 ? &sha256 : NULL);
}

static void finish_when_idle(struct s3_body *b) {
    if (b->ended || (!b->eof && b->err == 0) || b->reading || b->busy)
        return;
    b->ended = true;
    if (b->err == 0)
        b->err = verify(b);
    if (b->frame)
        lb_hasher_fini(&b->frame->hasher);
    b->done(b->r, b->err);
}

/* Goes on with whatever can go on. The body may be done, and the request over, when it returns. */
static void pump(struct s3_body *b) {
    if (b->ended)
        return;
    read_more(b);
    finish_when_idle(b);
}

void s3_body_write(struct s3_request *r, struct lb_writer *w, s3_body_done done) {
    r->body->writer = w;
    r->body->done = done;
    pump(r->body);
}

const struct s3_body_result *s3_body_result(const struct s3_request *r) {
    return &r->body->result;
}

void s3_body_close(struct s3_request *r) {
    struct s3_body *b = r->body;
    if (!b)
        return;
    r->body = NULL;
    lb_hash_stream_fini(&b->hash);
    lb_buf_fini(&b->document);
}

static void use_document(struct s3_request *r) {
    r->body->document_fn(r, lb_buf_slice(&r->body->document));
}

static void on_document(struct s3_request *r, int err) {
    if (err < 0)
        s3_fail(r, err);
    else
        s3_access_again(r, use_document);
}

void s3_read_document(struct s3_request *r, size_t size_max, s3_document_fn fn) {
    int err = s3_body_open(r, S3_BODY_DOCUMENT, LB_HASH_KINDS);
    if (err == 0 && r->body->size != LB_SIZE_UNKNOWN && r->body->size > size_max)
        err = LB_ERR_MALFORMED_XML;
    if (err < 0) {
        s3_fail(r, err);
        return;
    }
    r->body->document_fn = fn;
    s3_document_init(r, &r->body->document, size_max);
    s3_body_write(r, NULL, on_document);
}

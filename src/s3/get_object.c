/* GetObject and HeadObject: conditions, ranges, headers; then pieces from the engine to the socket,
 * a file's range where the socket can take it. */
#include <errno.h>

#include "http/date.h"
#include "http/range.h"
#include "s3/access_priv.h"
#include "s3/checksum_priv.h"
#include "s3/conditional_priv.h"
#include "s3/object_headers_priv.h"
#include "s3/ops_priv.h"

struct get {
    const struct lb_object_info *info;
    struct s3_meta meta;
    int status;
    uint64_t off, len; /* what is sent of the object */
    uint32_t part;     /* asked for by partNumber; 0: none */

    struct lb_reader *reader; /* NULL for HEAD */
    struct lb_pool_buf *buf;  /* on its way out */
    size_t piece;             /* bytes on their way out */
};

static void read_on(struct s3_request *r);

/* Ends a response whose head is out already: short of bytes when err is set, which the connection
 * makes known by closing. */
static void end(struct s3_request *r, int err) {
    struct get *g = r->state;
    if (err < 0)
        r->x->err = err;
    r->s3->port->ops->reader_close(g->reader);
    s3_finish(r);
}

static void on_sent(struct lb_exchange *x, int err) {
    struct s3_request *r = x->handler;
    struct get *g = r->state;
    lb_pool_put(g->buf);
    g->buf = NULL;
    g->off += g->piece;
    g->len -= g->piece;
    if (err < 0 || g->len == 0)
        end(r, err);
    else
        read_on(r);
}

static void on_piece(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    struct get *g = r->state;
    struct lb_piece *p = &op->piece;
    if (err < 0) {
        end(r, err);
        return;
    }
    g->piece = p->len;
    if (p->fd >= 0) {
        r->x->ops->send_file(r->x, p->fd, p->off, p->len, on_sent);
        return;
    }
    g->buf = p->buf;
    r->x->ops->send(r->x, lb_slice(p->buf->ptr + p->buf_at, p->len), on_sent);
}

static void read_on(struct s3_request *r) {
    struct get *g = r->state;
    struct lb_engine_op *op = s3_engine_op(r, on_piece);
    r->s3->port->ops->read(g->reader, op, g->off, g->len, r->x->can_send_file);
}

/* If-Range (RFC 9110, 13.1.5): a range only of the version that the client has. */
static bool range_wanted(const struct s3_request *r, const struct lb_object_info *info) {
    struct lb_slice value = s3_request_header(r, LB_S("if-range"));
    int64_t s;
    if (!value.ptr)
        return true;
    if (lb_date_parse_http(value, &s) == 0)
        return s == info->mtime_ns / 1000000000;
    return s3_etag_listed(value, &info->etag, false);
}

static int choose_part(struct s3_request *r, struct lb_slice value) {
    struct get *g = r->state;
    uint64_t n;
    if (lb_slice_to_u64(value, &n) < 0 || n == 0 || n > LB_PARTS_MAX)
        return LB_ERR_INVALID_ARGUMENT;
    if (n > (g->meta.parts_n ? g->meta.parts_n : 1))
        return LB_ERR_INVALID_PART;
    g->part = (uint32_t)n;
    if (g->meta.parts_n) {
        uint64_t off = 0;
        for (uint32_t i = 0; i + 1 < n; i++)
            off += g->meta.parts[i].size;
        uint64_t len = g->meta.parts[n - 1].size;
        if (off > g->info->size || len > g->info->size - off)
            return LB_ERR_CORRUPT;
        g->off = off;
        g->len = len;
    }
    if (g->len)
        g->status = 206;
    return 0;
}

/* What of the object is to be sent: by Range, by partNumber, or all. */
static int choose(struct s3_request *r) {
    struct get *g = r->state;
    struct lb_slice range = s3_request_header(r, LB_S("range"));
    struct lb_slice part = s3_query(r, LB_S("partNumber"));
    g->status = 200;
    g->len = g->info->size;
    if (part.ptr)
        return range.ptr ? LB_ERR_INVALID_REQUEST : choose_part(r, part);
    if (!range.ptr || !range_wanted(r, g->info))
        return 0;
    switch (lb_range_apply(range, g->info->size, &g->off, &g->len)) {
    case LB_RANGE_OK:
        g->status = 206;
        return 0;
    case LB_RANGE_UNSATISFIABLE:
        return LB_ERR_INVALID_RANGE;
    default:
        return 0;
    }
}

/* Content-Range: bytes first-last/size, or bytes * /size for a range that can't be had. */
static void content_range(struct s3_request *r, bool satisfied) {
    const struct get *g = r->state;
    char text[80];
    struct lb_buf b = {.ptr = text, .cap = sizeof(text), .cap_max = sizeof(text)};
    lb_buf_append(&b, LB_S("bytes "));
    if (satisfied) {
        lb_buf_append_u64(&b, g->off);
        lb_buf_append_char(&b, '-');
        lb_buf_append_u64(&b, g->off + g->len - 1);
    } else {
        lb_buf_append_char(&b, '*');
    }
    lb_buf_append_char(&b, '/');
    lb_buf_append_u64(&b, g->info->size);
    s3_header(r, LB_S("Content-Range"), lb_buf_slice(&b));
}

/* Checksums are told when asked for, and only of what is sent: the object, or one part of it. */
static void checksum(struct s3_request *r) {
    const struct get *g = r->state;
    const struct s3_meta *m = &g->meta;
    if (!lb_slice_eq_nocase(s3_request_header(r, LB_S("x-amz-checksum-mode")), LB_S("ENABLED")))
        return;
    if (g->part && m->parts_n)
        s3_checksum_reply(r, m->checksum_kind, &m->parts[g->part - 1].checksum, m->checksum_type,
                          0);
    else if (g->len == g->info->size)
        s3_checksum_reply(r, m->checksum_kind, &m->checksum, m->checksum_type, m->parts_n);
}

/* The headers of 200, 206 and 304. */
static void headers(struct s3_request *r) {
    const struct get *g = r->state;
    char date[LB_DATE_HTTP_LEN];
    lb_date_http(g->info->mtime_ns, date);
    s3_header(r, LB_S("Last-Modified"), lb_slice(date, sizeof(date)));
    s3_header_etag(r, &g->info->etag);
    s3_header(r, LB_S("Accept-Ranges"), LB_S("bytes"));
    s3_header_version(r, &g->info->version);
    s3_object_headers_reply(r, &g->meta, s3_object_foreign(g->info));
}

static void fail(struct s3_request *r, int err) {
    struct get *g = r->state;
    if (err == LB_ERR_INVALID_RANGE) {
        struct lb_slice size;
        content_range(r, false);
        if (lb_arena_printf(r->x->arena, &size, "%llu", (unsigned long long)g->info->size) < 0)
            size = LB_S("");
        s3_fail_detail(r, err, "ActualObjectSize", size);
    } else {
        if (err == LB_ERR_NOT_MODIFIED)
            headers(r);
        s3_fail(r, err);
    }
}

static void succeed(struct s3_request *r) {
    struct get *g = r->state;
    headers(r);
    if (g->status == 206)
        content_range(r, true);
    if (g->part && g->meta.parts_n)
        s3_header_u64(r, LB_S("x-amz-mp-parts-count"), g->meta.parts_n);
    checksum(r);
    s3_head(r, g->status, g->len);
}

static bool overrides(const struct s3_request *r) {
    for (size_t i = 0; i < r->query.n; i++) {
        if (lb_slice_starts_with(r->query.params[i].name, LB_S("response-")))
            return true;
    }
    return false;
}

/* What comes before the conditions: they would tell of an object that may not be read. response-*
 * parameters are for those who signed: else anyone could make a link of ours say that an object is
 * a page. */
static int check_access(const struct s3_request *r) {
    const struct get *g = r->state;
    int err = s3_access_read(r, &r->access, g->meta.acl);
    bool anonymous = r->s3->conf->creds && !r->auth.cred;
    return err == 0 && anonymous && overrides(r) ? LB_ERR_INVALID_REQUEST : err;
}

/* The object is there: reader is open, or NULL for HEAD. */
static void answer(struct s3_request *r) {
    struct get *g = r->state;
    struct s3_conditions conditions;
    s3_conditions_of_read(r, &conditions);
    int err = s3_meta_decode(r->x->arena, g->info->meta, &g->meta);
    if (err == 0)
        err = check_access(r);
    if (err == 0)
        err = s3_conditions_check(&conditions, g->info);
    if (err == 0)
        err = choose(r);
    if (err < 0) {
        struct lb_reader *reader = g->reader;
        const struct lb_engine_ops *ops = r->s3->port->ops;
        fail(r, err); /* needs what the reader lends */
        ops->reader_close(reader);
        return;
    }
    succeed(r);
    if (g->reader && g->len)
        read_on(r);
    else
        end(r, 0);
}

static void on_found(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    struct get *g = r->state;
    if (err < 0) {
        s3_fail_missing(r, op, s3_access_missing(&r->access, err));
        return;
    }
    g->reader = op->reader;
    g->info = g->reader ? &g->reader->info : &op->info; /* for HEAD, r->eng is not used again */
    answer(r);
}

void s3_op_get_object(struct s3_request *r) {
    r->state = lb_arena_zalloc(r->x->arena, sizeof(struct get));
    if (!r->state) {
        s3_fail(r, -ENOMEM);
        return;
    }
    struct lb_engine_op *op = s3_engine_op(r, on_found);
    if (r->x->request->method == LB_HTTP_HEAD)
        r->s3->port->ops->head(r->s3->port, op);
    else
        r->s3->port->ops->open(r->s3->port, op);
}

/* S3 gives no torrents any more, and says of every object that there is none. */
void s3_op_get_torrent(struct s3_request *r) {
    s3_fail(r, LB_ERR_NO_SUCH_KEY);
}

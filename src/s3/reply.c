/* Answers: heads, error documents, documents. Every response carries the request's id. */
#include "s3/body_priv.h"
#include "s3/request_priv.h"
#include "s3/slow_priv.h"
#include "s3/xml_priv.h"

#include "base/log.h"
#include "http/response.h"

void s3_header(struct s3_request *r, struct lb_slice name, struct lb_slice value) {
    lb_http_header_add(&r->x->headers, name, value);
}

void s3_header_u64(struct s3_request *r, struct lb_slice name, uint64_t value) {
    lb_http_header_add_u64(&r->x->headers, name, value);
}

void s3_header_etag(struct s3_request *r, const struct lb_etag *etag) {
    char quoted[sizeof(etag->text) + 2];
    quoted[0] = '"';
    memcpy(quoted + 1, etag->text, etag->len);
    quoted[etag->len + 1] = '"';
    s3_header(r, LB_S("ETag"), lb_slice(quoted, etag->len + 2u));
}

void s3_head(struct s3_request *r, int status, uint64_t length) {
    static const char ids[] = "x-amz-request-id: 0123456789abcdef\r\n"
                              "x-amz-id-2: 0123456789abcdef\r\n";
    const size_t id_len = sizeof(r->id) - 1;
    char *to = lb_buf_reserve(&r->x->headers, sizeof(ids) - 1);
    if (to) {
        memcpy(to, ids, sizeof(ids) - 1);
        memcpy(to + sizeof("x-amz-request-id: ") - 1, r->id, id_len);
        memcpy(to + sizeof(ids) - 1 - 2 - id_len, r->id, id_len);
        r->x->headers.len += sizeof(ids) - 1;
    }
    r->x->status = status;
    r->x->ops->head(r->x, length);
}

void s3_finish(struct s3_request *r) {
    s3_body_close(r);
    explicit_bzero(r->auth.stream.signing_key, sizeof(r->auth.stream.signing_key));
    r->x->ops->finish(r->x);
}

void s3_reply(struct s3_request *r, int status) {
    s3_head(r, status, 0);
    s3_finish(r);
}

void s3_document_init(const struct s3_request *r, struct lb_buf *b, size_t size_max) {
    lb_buf_init(b, size_max);
    b->budget = r->x->arena->budget;
}

void s3_sent(struct lb_exchange *x, int err) {
    struct s3_request *r = x->handler;
    if (err < 0 && x->err == 0)
        x->err = err;
    if (r->reply)
        lb_buf_fini(r->reply);
    s3_finish(r);
}

static void send_document(struct s3_request *r, int status, struct lb_slice document) {
    if (r->slow && s3_slow_end(r, document))
        return;
    s3_header(r, LB_S("Content-Type"), LB_S("application/xml"));
    s3_head(r, status, document.len);
    if (r->x->request->method == LB_HTTP_HEAD || document.len == 0)
        s3_finish(r);
    else
        r->x->ops->send(r->x, document, s3_sent);
}

void s3_reply_xml(struct s3_request *r, int status, struct lb_buf *xml) {
    int err = xml->err;
    if (err < 0) {
        lb_buf_fini(xml);
        s3_fail(r, err);
        return;
    }
    r->reply = xml;
    send_document(r, status, lb_buf_slice(xml));
}

/* An element whose text needs no escaping. */
static void append_plain(struct lb_buf *b, struct lb_slice open, struct lb_slice text,
                         struct lb_slice close) {
    lb_buf_append(b, open);
    lb_buf_append(b, text);
    lb_buf_append(b, close);
}

/* Arena memory that is not charged: for what is small and must be told. */
static char *alloc_uncharged(struct lb_arena *a, size_t n) {
    struct lb_budget *budget = a->budget;
    a->budget = NULL;
    char *p = lb_arena_alloc(a, n);
    a->budget = budget;
    return p;
}

/* The error document, in arena memory; without what the client has sent when that does not fit, and
 * empty when nothing does. message and element are static. cap: six bytes for one that is escaped,
 * and the elements. */
static struct lb_slice error_document(struct s3_request *r, const struct lb_err_info *info,
                                      const char *message, const char *element,
                                      struct lb_slice value) {
    struct lb_slice text = lb_slice_cstr(message ? message : info->text);
    struct lb_slice path = r->x->request->path;
    struct lb_slice id = lb_slice(r->id, sizeof(r->id) - 1);
    size_t cap = 384 + text.len + 6 * (path.len + value.len);
    char *to = lb_arena_alloc(r->x->arena, cap);
    if (!to) {
        path = value = LB_S("");
        cap = 384 + text.len;
        to = alloc_uncharged(r->x->arena, cap);
    }
    struct lb_buf b = {.ptr = to, .cap = cap, .cap_max = cap};
    if (!b.ptr)
        return LB_S("");
    append_plain(&b, LB_S("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>"),
                 lb_slice_cstr(info->s3_code), LB_S("</Code>"));
    append_plain(&b, LB_S("<Message>"), text, LB_S("</Message>"));
    if (element)
        s3_xml_text(&b, element, value);
    s3_xml_text(&b, "Resource", lb_utf8_valid(path) ? path : LB_S(""));
    append_plain(&b, LB_S("<RequestId>"), id, LB_S("</RequestId>"));
    append_plain(&b, LB_S("<HostId>"), id, LB_S("</HostId></Error>"));
    return lb_buf_slice(&b);
}

void s3_header_version(struct s3_request *r, const struct lb_version_id *version) {
    struct lb_slice id = lb_version_slice(version);
    if (id.len && (r->settings->versioning != LB_VERSIONING_OFF || !lb_slice_eq(id, LB_S("null"))))
        s3_header(r, LB_S("x-amz-version-id"), id);
}

void s3_header_made(struct s3_request *r, const struct lb_version_id *version) {
    if (!lb_slice_eq(lb_version_slice(version), LB_S("null")))
        s3_header_version(r, version);
}

/* Marks the request as failed, and drops what was to be the head of its success. */
static const struct lb_err_info *begin_failure(struct s3_request *r, int err) {
    const struct lb_err_info *info = lb_err_info(err);
    r->x->err = err;
    if (info->status == 500)
        lb_error("request failed", LB_LOG_C("op", r->op ? r->op->name : "-"),
                 LB_LOG_C("error", lb_err_name(err)), LB_LOG_S("bucket", r->bucket),
                 LB_LOG_S("key", r->key), LB_LOG_C("request_id", r->id));
    if (info->status != 304 && info->status != 416)
        lb_buf_clear(&r->x->headers);
    return info;
}

static void fail(struct s3_request *r, const struct lb_err_info *info, const char *message,
                 const char *element, struct lb_slice value) {
    if (info->status == 304 || r->x->request->method == LB_HTTP_HEAD)
        s3_reply(r, info->status);
    else
        send_document(r, info->status, error_document(r, info, message, element, value));
}

void s3_fail(struct s3_request *r, int err) {
    fail(r, begin_failure(r, err), NULL, NULL, LB_S(""));
}

void s3_fail_missing(struct s3_request *r, const struct lb_engine_op *op, int err) {
    const struct lb_err_info *info = begin_failure(r, err);
    if ((err == LB_ERR_NO_SUCH_KEY || err == LB_ERR_METHOD_NOT_ALLOWED) && op->info.marker) {
        s3_header_version(r, &op->info.version);
        s3_header(r, LB_S("x-amz-delete-marker"), LB_S("true"));
        if (err == LB_ERR_METHOD_NOT_ALLOWED)
            s3_header(r, LB_S("Allow"), LB_S("DELETE"));
    }
    fail(r, info, NULL, NULL, LB_S(""));
}

void s3_fail_message(struct s3_request *r, int err, const char *message) {
    fail(r, begin_failure(r, err), message, NULL, LB_S(""));
}

void s3_fail_detail(struct s3_request *r, int err, const char *element, struct lb_slice value) {
    fail(r, begin_failure(r, err), NULL, element, value);
}

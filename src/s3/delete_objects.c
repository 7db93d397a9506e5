/* DeleteObjects: up to a thousand keys, several of them in flight at a time, so that one sync
 * covers many. */
#include <errno.h>

#include "http/date.h"
#include "s3/access_priv.h"
#include "s3/conditional_priv.h"
#include "s3/ops_priv.h"
#include "s3/xml_priv.h"

#define KEYS_MAX 1000
#define DOCUMENT_MAX (4u << 20)
#define REPLY_MAX (16u << 20)
#define IN_FLIGHT 64

struct target {
    struct lb_slice key;
    struct lb_slice version;
    struct lb_precond precond;
    int err;
    bool marker; /* one was made, or removed */
    struct lb_version_id made;
};

struct slot {
    struct lb_engine_op op;
    size_t target;
};

struct deleting {
    struct target *targets;
    size_t n;
    size_t next; /* the first that is not yet asked for */
    size_t running;
    bool quiet;
    struct slot *slots;
    struct lb_buf xml;
};

/* ---- the document ---- */

static int parse_target(const struct s3_xml *node, struct target *t) {
    struct lb_slice time = s3_xml_child_text(node, LB_S("LastModifiedTime"));
    struct lb_slice size = s3_xml_child_text(node, LB_S("Size"));
    t->key = s3_xml_child_text(node, LB_S("Key"));
    t->version = s3_xml_child_text(node, LB_S("VersionId"));
    t->precond.if_match = s3_etag_unquote(s3_xml_child_text(node, LB_S("ETag")));
    if (time.ptr && lb_date_parse_http(time, &t->precond.if_mtime_s) < 0 &&
        lb_date_parse_iso(time, &t->precond.if_mtime_s) < 0)
        return LB_ERR_MALFORMED_XML;
    if (size.ptr && lb_slice_to_u64(size, &t->precond.if_size) < 0)
        return LB_ERR_MALFORMED_XML;
    t->precond.has_mtime = time.ptr != NULL;
    t->precond.has_size = size.ptr != NULL;
    if (t->version.len && !s3_version_valid(t->version))
        t->err = LB_ERR_NO_SUCH_VERSION;
    else if (t->key.len > LB_KEY_MAX)
        t->err = LB_ERR_KEY_TOO_LONG;
    return t->key.len ? 0 : LB_ERR_MALFORMED_XML;
}

static int parse(struct lb_arena *a, struct lb_slice document, struct deleting *d) {
    const struct s3_xml *root;
    size_t n = 0;
    int err = s3_xml_parse(a, document, &root);
    if (err < 0)
        return err;
    for (const struct s3_xml *c = root->child; c; c = c->next)
        n += lb_slice_eq(c->name, LB_S("Object"));
    if (!lb_slice_eq(root->name, LB_S("Delete")) || n == 0 || n > KEYS_MAX)
        return LB_ERR_MALFORMED_XML;
    d->quiet = lb_slice_eq(s3_xml_child_text(root, LB_S("Quiet")), LB_S("true"));
    d->targets = lb_arena_zalloc(a, n * sizeof(d->targets[0]));
    d->slots = lb_arena_zalloc(a, IN_FLIGHT * sizeof(d->slots[0]));
    if (!d->targets || !d->slots)
        return -ENOMEM;
    for (const struct s3_xml *c = root->child; c; c = c->next) {
        if (!lb_slice_eq(c->name, LB_S("Object")))
            continue;
        err = parse_target(c, &d->targets[d->n++]);
        if (err < 0)
            return err;
    }
    return 0;
}

/* ---- the answer ---- */

static void write_target(struct deleting *d, const struct target *t) {
    struct lb_buf *b = &d->xml;
    if (t->err == 0 && d->quiet)
        return;
    s3_xml_open(b, t->err ? "Error" : "Deleted");
    s3_xml_text(b, "Key", t->key);
    if (t->version.len)
        s3_xml_text(b, "VersionId", t->version);
    if (t->marker) {
        s3_xml_bool(b, "DeleteMarker", true);
        s3_xml_text(b, "DeleteMarkerVersionId",
                    t->version.len ? t->version : lb_version_slice(&t->made));
    }
    if (t->err) {
        const struct lb_err_info *info = lb_err_info(t->err);
        s3_xml_text(b, "Code", lb_slice_cstr(info->s3_code));
        s3_xml_text(b, "Message", lb_slice_cstr(info->text));
    }
    s3_xml_close(b, t->err ? "Error" : "Deleted");
}

static void reply(struct s3_request *r) {
    struct deleting *d = r->state;
    s3_document_init(r, &d->xml, REPLY_MAX);
    s3_xml_begin(&d->xml, "DeleteResult");
    for (size_t i = 0; i < d->n; i++)
        write_target(d, &d->targets[i]);
    s3_xml_close(&d->xml, "DeleteResult");
    s3_reply_xml(r, 200, &d->xml);
}

/* ---- the work ---- */

static void start(struct s3_request *r, struct slot *s);

static void on_removed(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    struct deleting *d = r->state;
    struct slot *s = LB_CONTAINER_OF(op, struct slot, op);
    struct target *t = &d->targets[s->target];
    t->err = err;
    t->marker = err == 0 && op->info.marker;
    t->made = op->info.version;
    d->running--;
    start(r, s);
    if (d->running == 0)
        reply(r);
}

/* Gives a free slot the next target, if one is left. */
static void start(struct s3_request *r, struct slot *s) {
    struct deleting *d = r->state;
    while (d->next < d->n && d->targets[d->next].err)
        d->next++;
    if (d->next == d->n)
        return;
    s->target = d->next++;
    s->op = (struct lb_engine_op){
        .done = on_removed,
        .arena = r->x->arena,
        .user = r,
        .bucket = r->bucket,
        .key = d->targets[s->target].key,
        .version = d->targets[s->target].version,
        .precond = d->targets[s->target].precond,
        .versioning = r->settings->versioning,
        .relaxed = s3_relaxed(r),
    };
    d->running++;
    r->s3->port->ops->remove(r->s3->port, &s->op);
}

static void on_bucket(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    struct deleting *d = r->state;
    if (err < 0) {
        s3_fail(r, err);
        return;
    }
    for (size_t i = 0; i < d->n; i++) {
        struct target *t = &d->targets[i];
        t->err = t->err ? t->err : s3_access_remove(r, t->version);
    }
    for (size_t i = 0; i < IN_FLIGHT; i++)
        start(r, &d->slots[i]);
    if (d->running == 0)
        reply(r);
}

static void on_document(struct s3_request *r, struct lb_slice document) {
    int err = parse(r->x->arena, document, r->state);
    if (err < 0) {
        s3_fail(r, err);
        return;
    }
    r->s3->port->ops->bucket_head(r->s3->port, s3_engine_op(r, on_bucket));
}

/* S3 asks for Content-MD5 or a checksum here: a damaged list must not delete the wrong objects. */
static bool has_digest(const struct s3_request *r) {
    const struct lb_http_request *h = r->x->request;
    for (size_t i = 0; i < h->headers_n; i++) {
        struct lb_slice name = h->headers[i].name;
        if (lb_slice_eq_nocase(name, LB_S("content-md5")) ||
            lb_slice_eq_nocase(name, LB_S("x-amz-trailer")) ||
            lb_slice_eq_nocase(lb_slice_first(name, 15), LB_S("x-amz-checksum-")))
            return true;
    }
    return false;
}

void s3_op_delete_objects(struct s3_request *r) {
    r->state = lb_arena_zalloc(r->x->arena, sizeof(struct deleting));
    if (!r->state)
        s3_fail(r, -ENOMEM);
    else if (!has_digest(r))
        s3_fail_message(r, LB_ERR_INVALID_REQUEST,
                        "Missing required header for this request: Content-MD5 or a checksum");
    else
        s3_read_document(r, DOCUMENT_MAX, on_document);
}

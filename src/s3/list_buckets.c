/* ListBuckets. The administrator sees all of them; others see their own and those that they were
 * granted something in, which are picked from the engine's pages. */
#include <errno.h>

#include "s3/access_priv.h"
#include "s3/ops_priv.h"
#include "s3/xml_priv.h"

#define PAGE_MAX 10000
#define NAME_MAX_LEN 256
#define ENGINE_PAGE 256
#define ENGINE_PAGE_SIZE_MAX (16u << 20) /* bytes of memory for one */
#define DOCUMENT_MAX (8u << 20)

struct listing {
    struct lb_slice prefix;
    struct lb_slice token; /* the last name of the page before */
    uint64_t max;
    uint64_t n;              /* listed so far */
    char last[NAME_MAX_LEN]; /* the last name that the engine gave; where it goes on */
    size_t last_len;
    char listed[NAME_MAX_LEN]; /* the last name that was listed: the next token */
    size_t listed_len;
    bool truncated;
    struct lb_arena page; /* of the engine's page */
    struct lb_buf xml;
};

static void ask(struct s3_request *r);

static void end(struct s3_request *r, int err) {
    struct listing *l = r->state;
    struct lb_buf *b = &l->xml;
    lb_arena_fini(&l->page);
    if (err < 0) {
        lb_buf_fini(b);
        s3_fail(r, err);
        return;
    }
    s3_xml_close(b, "Buckets");
    if (l->truncated)
        s3_xml_text(b, "ContinuationToken", lb_slice(l->listed, l->listed_len));
    if (l->prefix.ptr)
        s3_xml_text(b, "Prefix", l->prefix);
    s3_xml_close(b, "ListAllMyBucketsResult");
    s3_reply_xml(r, 200, b);
}

static void keep(char *to, size_t *to_len, struct lb_slice name) {
    *to_len = name.len < NAME_MAX_LEN ? name.len : NAME_MAX_LEN;
    if (*to_len)
        memcpy(to, name.ptr, *to_len);
}

/* Lists a bucket, or finds that there is one too many. */
static void add(struct s3_request *r, const struct lb_bucket_info *info) {
    struct listing *l = r->state;
    struct lb_s3_bucket_settings settings;
    lb_s3_bucket_settings_decode(info->settings, &settings);
    if (!s3_bucket_is_seen(r, info->name, &settings))
        return;
    if (l->n == l->max) {
        l->truncated = true;
        return;
    }
    l->n++;
    keep(l->listed, &l->listed_len, info->name);
    s3_xml_open(&l->xml, "Bucket");
    s3_xml_text(&l->xml, "Name", info->name);
    s3_xml_time(&l->xml, "CreationDate", info->created_ns);
    s3_xml_text(&l->xml, "BucketRegion",
                settings.location.len ? settings.location : r->s3->conf->region);
    s3_xml_close(&l->xml, "Bucket");
}

static void on_buckets(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    struct listing *l = r->state;
    if (err < 0) {
        end(r, err);
        return;
    }
    for (size_t i = 0; i < op->n && !l->truncated; i++)
        add(r, &op->buckets[i]);
    if (op->n)
        keep(l->last, &l->last_len, op->buckets[op->n - 1].name);
    if (op->truncated && op->n && !l->truncated)
        ask(r);
    else
        end(r, 0);
}

static void ask(struct s3_request *r) {
    struct listing *l = r->state;
    lb_arena_reset(&l->page);
    struct lb_engine_op *op = s3_engine_op(r, on_buckets);
    op->arena = &l->page;
    op->prefix = l->prefix;
    op->after = lb_slice(l->last, l->last_len);
    op->max = ENGINE_PAGE;
    r->s3->port->ops->bucket_list(r->s3->port, op);
}

void s3_op_list_buckets(struct s3_request *r) {
    struct listing *l = lb_arena_zalloc(r->x->arena, sizeof(*l));
    if (!l) {
        s3_fail(r, -ENOMEM);
        return;
    }
    r->state = l;
    l->prefix = s3_query(r, LB_S("prefix"));
    l->token = s3_query(r, LB_S("continuation-token"));
    int err = s3_query_u64(r, LB_S("max-buckets"), PAGE_MAX, PAGE_MAX, &l->max);
    if (err < 0 || l->max == 0) {
        s3_fail_message(r, LB_ERR_INVALID_ARGUMENT, "max-buckets must be from 1 to 10000.");
        return;
    }
    keep(l->last, &l->last_len, l->token);
    lb_arena_init(&l->page, ENGINE_PAGE_SIZE_MAX);
    l->page.budget = r->x->arena->budget;
    s3_document_init(r, &l->xml, DOCUMENT_MAX);
    s3_xml_begin(&l->xml, "ListAllMyBucketsResult");
    s3_xml_owner(&l->xml, "Owner", s3_user_id(r), s3_user_name(r));
    s3_xml_open(&l->xml, "Buckets");
    ask(r);
}

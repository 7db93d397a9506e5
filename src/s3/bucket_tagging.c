/* Get, Put and DeleteBucketTagging. In the settings, each tag is a field with its key (1) and one
 * with its value (2). */
#include <errno.h>

#include "s3/access_priv.h"
#include "s3/fields_priv.h"
#include "s3/ops_priv.h"
#include "s3/tagging_priv.h"

enum { TAG_KEY = 1, TAG_VALUE = 2 };

void s3_bucket_tags_encode(const struct s3_meta_pair *tags, size_t n, struct lb_buf *ret) {
    for (size_t i = 0; i < n; i++) {
        s3_field_put(ret, TAG_KEY, tags[i].name);
        s3_field_put(ret, TAG_VALUE, tags[i].value);
    }
}

int s3_bucket_tags_decode(struct lb_arena *a, struct lb_slice tags, struct s3_meta_pair **ret,
                          size_t *ret_n) {
    struct s3_meta_pair *pairs = lb_arena_alloc(a, S3_BUCKET_TAGS_MAX * sizeof(*pairs));
    size_t n = 0;
    if (!pairs)
        return -ENOMEM;
    for (; tags.len; n++) {
        unsigned key = 0, value = 0;
        if (n == S3_BUCKET_TAGS_MAX || s3_field_take(&tags, &key, &pairs[n].name) < 0 ||
            tags.len == 0 || s3_field_take(&tags, &value, &pairs[n].value) < 0 || key != TAG_KEY ||
            value != TAG_VALUE)
            return LB_ERR_CORRUPT;
    }
    *ret = pairs;
    *ret_n = n;
    return 0;
}

static void get(struct s3_request *r) {
    struct s3_meta_pair *tags;
    size_t n;
    struct lb_buf *b = lb_arena_zalloc(r->x->arena, sizeof(*b));
    int err = b ? s3_bucket_tags_decode(r->x->arena, r->settings->tags, &tags, &n) : -ENOMEM;
    if (err == 0 && n == 0)
        err = LB_ERR_NO_SUCH_TAG_SET;
    if (err < 0) {
        s3_fail(r, err);
        return;
    }
    lb_buf_init(b, 8 * LB_S3_BUCKET_SETTINGS_MAX);
    s3_tagging_write(b, tags, n);
    s3_reply_xml(r, 200, b);
}

void s3_op_get_bucket_tagging(struct s3_request *r) {
    s3_bucket_load(r, get);
}

struct tags {
    struct lb_slice encoded; /* the new ones */
};

static void change(struct s3_request *r, struct lb_s3_bucket_settings *s) {
    const struct tags *t = r->state;
    s->tags = t->encoded;
}

static void on_document(struct s3_request *r, struct lb_slice document) {
    struct tags *t = r->state;
    struct s3_meta_pair *tags;
    size_t n;
    struct lb_buf b;
    lb_buf_init(&b, S3_TAGGING_SIZE_MAX);
    int err = s3_tagging_parse(r->x->arena, document, S3_BUCKET_TAGS_MAX, &tags, &n);
    if (err == 0) {
        s3_bucket_tags_encode(tags, n, &b);
        err = b.err ? b.err : lb_arena_copy(r->x->arena, lb_buf_slice(&b), &t->encoded);
    }
    lb_buf_fini(&b);
    if (err < 0)
        s3_fail(r, err == -EMSGSIZE ? LB_ERR_INVALID_TAG : err);
    else
        s3_bucket_change(r, change);
}

void s3_op_put_bucket_tagging(struct s3_request *r) {
    r->state = lb_arena_zalloc(r->x->arena, sizeof(struct tags));
    if (r->state)
        s3_read_document(r, S3_TAGGING_SIZE_MAX, on_document);
    else
        s3_fail(r, -ENOMEM);
}

static void clear(struct s3_request *r, struct lb_s3_bucket_settings *s) {
    s->tags = LB_S("");
}

void s3_op_delete_bucket_tagging(struct s3_request *r) {
    s3_bucket_change(r, clear);
}

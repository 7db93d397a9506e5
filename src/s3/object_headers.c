/* An object's metadata in HTTP headers, both ways. */
#include "s3/object_headers_priv.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "http/uri.h"

#define USER_PREFIX LB_S("x-amz-meta-")

/* Order of enum s3_meta_field. */
static const struct {
    struct lb_slice header;
    struct lb_slice override; /* query parameter of GET; empty: none */
} fields[S3_META_FIELDS] = {
#define FIELD(header, override)            \
    {                                      \
        {header, sizeof(header) - 1}, {    \
            override, sizeof(override) - 1 \
        }                                  \
    }
    [S3_META_CONTENT_TYPE] = FIELD("Content-Type", "response-content-type"),
    [S3_META_CACHE_CONTROL] = FIELD("Cache-Control", "response-cache-control"),
    [S3_META_CONTENT_DISPOSITION] = FIELD("Content-Disposition", "response-content-disposition"),
    [S3_META_CONTENT_ENCODING] = FIELD("Content-Encoding", "response-content-encoding"),
    [S3_META_CONTENT_LANGUAGE] = FIELD("Content-Language", "response-content-language"),
    [S3_META_EXPIRES] = FIELD("Expires", "response-expires"),
    [S3_META_STORAGE_CLASS] = FIELD("x-amz-storage-class", ""),
    [S3_META_REDIRECT_LOCATION] = FIELD("x-amz-website-redirect-location", ""),
#undef FIELD
};

static bool storage_class_valid(struct lb_slice name) {
    static const struct lb_slice names[] = {
#define NAME(s) {s, sizeof(s) - 1}
        NAME("STANDARD"),
        NAME("REDUCED_REDUNDANCY"),
        NAME("STANDARD_IA"),
        NAME("ONEZONE_IA"),
        NAME("INTELLIGENT_TIERING"),
        NAME("GLACIER"),
        NAME("GLACIER_IR"),
        NAME("DEEP_ARCHIVE"),
        NAME("OUTPOSTS"),
        NAME("EXPRESS_ONEZONE"),
        NAME("SNOW"),
#undef NAME
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (lb_slice_eq(names[i], name))
            return true;
    }
    return false;
}

static int lower_copy(struct lb_arena *a, struct lb_slice s, struct lb_slice *ret) {
    char *p = lb_arena_alloc(a, s.len);
    if (!p)
        return -ENOMEM;
    for (size_t i = 0; i < s.len; i++)
        p[i] = (char)tolower((unsigned char)s.ptr[i]);
    *ret = lb_slice(p, s.len);
    return 0;
}

/* The same name sent twice is one field with both values (RFC 9110, 5.2). */
static int user_add(struct lb_arena *a, struct s3_meta *m, struct lb_slice name,
                    struct lb_slice value) {
    for (size_t i = 0; i < m->user_n; i++) {
        struct s3_meta_pair *p = &m->user[i];
        if (lb_slice_eq_nocase(p->name, name))
            return lb_arena_printf(a, &p->value, "%.*s,%.*s", LB_SLICE_ARG(p->value),
                                   LB_SLICE_ARG(value));
    }
    m->user[m->user_n].value = value;
    return lower_copy(a, name, &m->user[m->user_n++].name);
}

static int user_parse(struct s3_request *r, struct s3_meta *m) {
    const struct lb_http_request *h = r->x->request;
    size_t n = 0, total = 0;
    for (size_t i = 0; i < h->headers_n; i++)
        n += lb_slice_eq_nocase(lb_slice_first(h->headers[i].name, USER_PREFIX.len), USER_PREFIX);
    if (n == 0)
        return 0;
    m->user = lb_arena_alloc(r->x->arena, n * sizeof(m->user[0]));
    if (!m->user)
        return -ENOMEM;
    for (size_t i = 0; i < h->headers_n; i++) {
        struct lb_slice name = h->headers[i].name;
        if (!lb_slice_eq_nocase(lb_slice_first(name, USER_PREFIX.len), USER_PREFIX))
            continue;
        name = lb_slice_from(name, USER_PREFIX.len);
        int err = user_add(r->x->arena, m, name, h->headers[i].value);
        if (err < 0)
            return err;
    }
    for (size_t i = 0; i < m->user_n; i++)
        total += m->user[i].name.len + m->user[i].value.len;
    return total > S3_USER_META_MAX ? LB_ERR_METADATA_TOO_LARGE : 0;
}

/* Content-Encoding without aws-chunked, which is about the transfer (also in the middle of a list).
 * What is left keeps the commas and spaces that it was sent with. */
static int content_encoding(struct lb_arena *a, struct lb_slice value, struct lb_slice *ret) {
    struct lb_slice kept = LB_S("");
    while (value.ptr) {
        struct lb_slice item = lb_slice_cut(&value, ',');
        struct lb_slice token = lb_slice_trim(item);
        if (token.len == 0 || lb_slice_eq_nocase(token, LB_S("aws-chunked")))
            continue;
        int err = kept.len ? lb_arena_printf(a, &kept, "%.*s,%.*s", LB_SLICE_ARG(kept),
                                             LB_SLICE_ARG(item))
                           : (kept = token, 0);
        if (err < 0)
            return err;
    }
    *ret = lb_slice_trim(kept);
    return 0;
}

int s3_object_headers_parse(struct s3_request *r, struct s3_meta *ret) {
    s3_meta_init(ret);
    for (unsigned i = 0; i < S3_META_FIELDS; i++)
        ret->fields[i] = s3_request_header(r, fields[i].header);
    struct lb_slice *class = &ret->fields[S3_META_STORAGE_CLASS];
    if (class->ptr && !storage_class_valid(*class))
        return LB_ERR_INVALID_STORAGE_CLASS;
    if (lb_slice_eq(*class, LB_S("STANDARD")))
        *class = LB_S("");
    struct lb_slice *encoding = &ret->fields[S3_META_CONTENT_ENCODING];
    int err = content_encoding(r->x->arena, *encoding, encoding);
    if (err == 0)
        err = s3_acl_parse(r, &ret->acl);
    if (err == 0)
        err = user_parse(r, ret);
    return err < 0 ? err : s3_object_tagging_parse(r, ret);
}

/* Characters of UTF-8: bytes that continue none. */
static size_t characters(struct lb_slice s) {
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
    return n;
}

static int tag_cmp(const void *a, const void *b) {
    return lb_slice_cmp(((const struct s3_meta_pair *)a)->name,
                        ((const struct s3_meta_pair *)b)->name);
}

int s3_tags_check(struct s3_meta_pair *tags, size_t n, size_t max) {
    if (n > max)
        return LB_ERR_INVALID_TAG;
    if (n > 1)
        qsort(tags, n, sizeof(*tags), tag_cmp);
    for (size_t i = 0; i < n; i++) {
        size_t len = characters(tags[i].name);
        if (len == 0 || len > 128 || characters(tags[i].value) > 256 ||
            !lb_utf8_valid(tags[i].name) || !lb_utf8_valid(tags[i].value))
            return LB_ERR_INVALID_TAG;
        if (i > 0 && lb_slice_eq(tags[i - 1].name, tags[i].name))
            return LB_ERR_INVALID_TAG;
    }
    return 0;
}

int s3_object_tagging_parse(struct s3_request *r, struct s3_meta *ret) {
    struct lb_slice value = s3_request_header(r, LB_S("x-amz-tagging"));
    if (value.len == 0)
        return 0;
    struct lb_query *q = lb_arena_alloc(r->x->arena, sizeof(*q));
    struct s3_meta_pair *tags = lb_arena_alloc(r->x->arena, S3_TAGS_MAX * sizeof(*tags));
    if (!q || !tags)
        return -ENOMEM;
    int err = lb_query_parse(r->x->arena, value, q);
    if (err == -ENOMEM)
        return err;
    if (err < 0 || q->n > S3_TAGS_MAX)
        return LB_ERR_INVALID_TAG;
    for (size_t i = 0; i < q->n; i++)
        tags[i] = (struct s3_meta_pair){q->params[i].name, q->params[i].value};
    err = s3_tags_check(tags, q->n, S3_TAGS_MAX);
    if (err < 0)
        return err;
    ret->tags = tags;
    ret->tags_n = q->n;
    return 0;
}

bool s3_object_foreign(const struct lb_object_info *info) {
    return lb_slice_ends_with(lb_etag_slice(&info->etag), LB_S("-0"));
}

void s3_object_headers_reply(struct s3_request *r, const struct s3_meta *m, bool foreign) {
    for (unsigned i = 0; i < S3_META_FIELDS; i++) {
        struct lb_slice value = m->fields[i];
        struct lb_slice override =
            fields[i].override.len ? s3_query(r, fields[i].override) : lb_slice(NULL, 0);
        if (override.ptr)
            value = override;
        if (i == S3_META_CONTENT_TYPE && value.len == 0)
            value = foreign ? s3_content_type_of(r->key) : LB_S("binary/octet-stream");
        if (value.len)
            s3_header(r, fields[i].header, value);
    }
    for (size_t i = 0; i < m->user_n; i++) {
        struct lb_slice name;
        int err =
            lb_arena_printf(r->x->arena, &name, "x-amz-meta-%.*s", LB_SLICE_ARG(m->user[i].name));
        if (err == 0)
            s3_header(r, name, m->user[i].value);
        else
            r->x->headers.err = err; /* the connection answers with that */
    }
    if (m->tags_n)
        s3_header_u64(r, LB_S("x-amz-tagging-count"), m->tags_n);
}

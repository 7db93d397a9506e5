/* ListObjects (V1), ListObjectsV2 and ListObjectVersions: one page of the engine's list, in three
 * documents. A continuation token is the last entry of the page before, in hexadecimal. */
#include <errno.h>

#include "s3/access_priv.h"
#include "s3/checksum_priv.h"
#include "s3/ops_priv.h"
#include "s3/xml_priv.h"

#define PAGE_MAX 1000
#define DOCUMENT_MAX (32u << 20) /* a page of the longest keys, every byte of them escaped */

enum form { FORM_V1, FORM_V2, FORM_VERSIONS };

struct listing {
    enum form form;
    struct lb_slice prefix, delimiter, after;
    struct lb_slice after_id;           /* versions */
    struct lb_slice token, start_after; /* V2: as sent; ptr NULL when absent */
    size_t max;
    bool url;   /* encoding-type=url */
    bool owner; /* show owners */
    struct lb_buf xml;
};

static int parse_token(struct s3_request *r, struct lb_slice token, struct lb_slice *ret) {
    size_t n = token.len / 2;
    uint8_t *key = lb_arena_alloc(r->x->arena, n + 1);
    if (!key)
        return -ENOMEM;
    if (n == 0 || n > LB_KEY_MAX || lb_hex_decode(token, key, n) < 0)
        return LB_ERR_INVALID_ARGUMENT;
    *ret = lb_slice(key, n);
    return 0;
}

/* Without an id: behind all versions of the key. */
static int parse_version_marker(struct s3_request *r, struct listing *l) {
    l->after = s3_query(r, LB_S("key-marker"));
    l->after_id = s3_query(r, LB_S("version-id-marker"));
    if (!l->after_id.len)
        return 0;
    return l->after.len && s3_version_valid(l->after_id) ? 0 : LB_ERR_INVALID_ARGUMENT;
}

static int parse_after(struct s3_request *r, struct listing *l) {
    if (l->form == FORM_V1)
        l->after = s3_query(r, LB_S("marker"));
    else if (l->form == FORM_VERSIONS)
        return parse_version_marker(r, l);
    if (l->form != FORM_V2)
        return 0;
    l->start_after = s3_query(r, LB_S("start-after"));
    l->token = s3_query(r, LB_S("continuation-token"));
    l->after = l->start_after;
    return l->token.len ? parse_token(r, l->token, &l->after) : 0;
}

/* The parameters that all lists have. */
static int parse(struct s3_request *r, struct listing *l) {
    struct lb_slice encoding = s3_query(r, LB_S("encoding-type"));
    uint64_t max;
    l->prefix = s3_query(r, LB_S("prefix"));
    l->delimiter = s3_query(r, LB_S("delimiter"));
    l->url = lb_slice_eq(encoding, LB_S("url"));
    if (encoding.len && !l->url)
        return LB_ERR_INVALID_ARGUMENT;
    int err = s3_query_u64(r, LB_S("max-keys"), PAGE_MAX, INT32_MAX, &max);
    if (err < 0)
        return err;
    l->max = max < PAGE_MAX ? (size_t)max : PAGE_MAX;
    l->owner = l->form != FORM_V2 || lb_slice_eq(s3_query(r, LB_S("fetch-owner")), LB_S("true"));
    return parse_after(r, l);
}

static void write_entry(struct s3_request *r, struct listing *l, const struct lb_list_entry *e) {
    struct lb_buf *b = &l->xml;
    bool version = l->form == FORM_VERSIONS;
    struct s3_meta meta;
    s3_xml_open(b, version ? "Version" : "Contents");
    s3_xml_name(b, "Key", e->key, l->url);
    if (version) {
        s3_xml_text(b, "VersionId", lb_version_slice(&e->info.version));
        s3_xml_bool(b, "IsLatest", e->info.latest);
    }
    s3_xml_time(b, "LastModified", e->info.mtime_ns);
    s3_xml_etag(b, lb_etag_slice(&e->info.etag));
    struct lb_slice class = LB_S("STANDARD");
    int err = s3_meta_decode(r->x->arena, e->info.meta, &meta);
    if (err == -ENOMEM)
        b->err = err;
    if (err == 0 && e->info.meta.len) {
        s3_checksum_write_kind(b, &meta);
        if (meta.fields[S3_META_STORAGE_CLASS].len)
            class = meta.fields[S3_META_STORAGE_CLASS];
    }
    s3_xml_u64(b, "Size", e->info.size);
    if (l->owner)
        s3_xml_owner(b, "Owner", s3_owner_id(r), s3_owner_name(r));
    s3_xml_text(b, "StorageClass", class);
    s3_xml_close(b, version ? "Version" : "Contents");
}

static void write_marker(struct s3_request *r, struct listing *l, const struct lb_list_entry *e) {
    struct lb_buf *b = &l->xml;
    s3_xml_open(b, "DeleteMarker");
    s3_xml_name(b, "Key", e->key, l->url);
    s3_xml_text(b, "VersionId", lb_version_slice(&e->info.version));
    s3_xml_bool(b, "IsLatest", e->info.latest);
    s3_xml_time(b, "LastModified", e->info.mtime_ns);
    s3_xml_owner(b, "Owner", s3_owner_id(r), s3_owner_name(r));
    s3_xml_close(b, "DeleteMarker");
}

static void write_entries(struct s3_request *r, struct listing *l,
                          const struct lb_list_result *page) {
    for (size_t i = 0; i < page->n; i++) {
        const struct lb_list_entry *e = &page->entries[i];
        if (e->is_prefix)
            continue;
        if (e->info.marker)
            write_marker(r, l, e);
        else
            write_entry(r, l, e);
    }
}

static void write_prefixes(struct listing *l, const struct lb_list_result *page) {
    for (size_t i = 0; i < page->n; i++) {
        if (!page->entries[i].is_prefix)
            continue;
        s3_xml_open(&l->xml, "CommonPrefixes");
        s3_xml_name(&l->xml, "Prefix", page->entries[i].key, l->url);
        s3_xml_close(&l->xml, "CommonPrefixes");
    }
}

/* Where the next page begins, in the words of each form. */
static void write_next(struct listing *l, const struct lb_list_entry *entry) {
    struct lb_slice last = entry->key;
    char token[2 * LB_KEY_MAX + 1];
    switch (l->form) {
    case FORM_V1:
        if (l->delimiter.len)
            s3_xml_name(&l->xml, "NextMarker", last, l->url);
        return;
    case FORM_V2:
        lb_hex_encode((const uint8_t *)last.ptr, last.len, token);
        s3_xml_text(&l->xml, "NextContinuationToken", lb_slice_cstr(token));
        return;
    case FORM_VERSIONS:
        s3_xml_name(&l->xml, "NextKeyMarker", last, l->url);
        if (!entry->is_prefix)
            s3_xml_text(&l->xml, "NextVersionIdMarker", lb_version_slice(&entry->info.version));
        return;
    }
}

static void write_parameters(struct s3_request *r, struct listing *l, size_t n) {
    struct lb_buf *b = &l->xml;
    s3_xml_text(b, "Name", r->bucket);
    /* Clients of V1 don't decode this one. */
    s3_xml_name(b, "Prefix", l->prefix, l->url && l->form != FORM_V1);
    if (l->form == FORM_V1)
        s3_xml_name(b, "Marker", l->after, l->url);
    if (l->form == FORM_VERSIONS) {
        s3_xml_name(b, "KeyMarker", l->after, l->url);
        s3_xml_text(b, "VersionIdMarker", l->after_id);
    }
    if (l->form == FORM_V2) {
        if (l->token.ptr)
            s3_xml_text(b, "ContinuationToken", l->token);
        if (l->start_after.ptr)
            s3_xml_name(b, "StartAfter", l->start_after, l->url);
        s3_xml_u64(b, "KeyCount", n);
    }
    if (l->delimiter.len)
        s3_xml_name(b, "Delimiter", l->delimiter, l->url);
    if (l->url)
        s3_xml_text(b, "EncodingType", LB_S("url"));
    s3_xml_u64(b, "MaxKeys", l->max);
}

static void on_page(struct lb_engine_op *op, int err) {
    struct s3_request *r = s3_of(op);
    struct listing *l = r->state;
    const char *root = l->form == FORM_VERSIONS ? "ListVersionsResult" : "ListBucketResult";
    struct lb_list_result page = op->list;
    if (err < 0) {
        s3_fail(r, err);
        return;
    }
    if (l->max == 0)
        page = (struct lb_list_result){0};
    s3_document_init(r, &l->xml, DOCUMENT_MAX);
    s3_xml_begin(&l->xml, root);
    write_parameters(r, l, page.n);
    s3_xml_bool(&l->xml, "IsTruncated", page.truncated);
    if (page.truncated)
        write_next(l, &page.entries[page.n - 1]);
    write_entries(r, l, &page);
    write_prefixes(l, &page);
    s3_xml_close(&l->xml, root);
    s3_reply_xml(r, 200, &l->xml);
}

static void ask(struct s3_request *r) {
    struct listing *l = r->state;
    struct lb_engine_op *op = s3_engine_op(r, on_page);
    op->prefix = l->prefix;
    op->delimiter = l->delimiter;
    op->after = l->after;
    op->after_id = l->after_id;
    op->versions = l->form == FORM_VERSIONS;
    op->max = l->max ? l->max : 1;
    op->want_meta = true;
    r->s3->port->ops->list(r->s3->port, op);
}

static void list(struct s3_request *r, enum form form) {
    struct listing *l = lb_arena_zalloc(r->x->arena, sizeof(*l));
    if (!l) {
        s3_fail(r, -ENOMEM);
        return;
    }
    l->form = form;
    r->state = l;
    int err = parse(r, l);
    if (err < 0)
        s3_fail(r, err);
    else if (l->owner)
        s3_bucket_load(r, ask);
    else
        ask(r);
}

void s3_op_list_objects_v1(struct s3_request *r) {
    list(r, FORM_V1);
}

void s3_op_list_objects_v2(struct s3_request *r) {
    if (lb_slice_eq(s3_query(r, LB_S("list-type")), LB_S("2")))
        list(r, FORM_V2);
    else
        s3_fail_message(r, LB_ERR_INVALID_ARGUMENT, "list-type must be 2.");
}

void s3_op_list_versions(struct s3_request *r) {
    list(r, FORM_VERSIONS);
}

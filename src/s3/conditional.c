/* Conditional requests: RFC 9110, 13, as S3 applies them. */
#include "s3/conditional_priv.h"

#include "http/date.h"

struct lb_slice s3_etag_unquote(struct lb_slice tag) {
    if (tag.len >= 2 && tag.ptr[0] == '"' && tag.ptr[tag.len - 1] == '"')
        return lb_slice(tag.ptr + 1, tag.len - 2);
    return tag;
}

bool s3_etag_listed(struct lb_slice list, const struct lb_etag *etag, bool weak) {
    while (list.ptr) {
        struct lb_slice tag = lb_slice_trim(lb_slice_cut(&list, ','));
        if (lb_slice_eq(tag, LB_S("*")))
            return true;
        if (lb_slice_starts_with(tag, LB_S("W/"))) {
            if (!weak)
                continue;
            tag = lb_slice_from(tag, 2);
        }
        if (lb_slice_eq(s3_etag_unquote(tag), lb_etag_slice(etag)))
            return true;
    }
    return false;
}

static bool date_header(const struct s3_request *r, struct lb_slice name, int64_t *ret_s) {
    struct lb_slice value = s3_request_header(r, name);
    return value.ptr && lb_date_parse_http(value, ret_s) == 0;
}

void s3_conditions_of_read(const struct s3_request *r, struct s3_conditions *ret) {
    *ret = (struct s3_conditions){
        .if_match = s3_request_header(r, LB_S("if-match")),
        .if_none_match = s3_request_header(r, LB_S("if-none-match")),
    };
    ret->has_modified_since = date_header(r, LB_S("if-modified-since"), &ret->modified_since_s);
    ret->has_unmodified_since =
        date_header(r, LB_S("if-unmodified-since"), &ret->unmodified_since_s);
}

void s3_conditions_of_copy(const struct s3_request *r, struct s3_conditions *ret) {
    *ret = (struct s3_conditions){
        .if_match = s3_request_header(r, LB_S("x-amz-copy-source-if-match")),
        .if_none_match = s3_request_header(r, LB_S("x-amz-copy-source-if-none-match")),
    };
    ret->has_modified_since =
        date_header(r, LB_S("x-amz-copy-source-if-modified-since"), &ret->modified_since_s);
    ret->has_unmodified_since =
        date_header(r, LB_S("x-amz-copy-source-if-unmodified-since"), &ret->unmodified_since_s);
}

/* Whole seconds, as Last-Modified tells them. */
static int64_t mtime_s(const struct lb_object_info *info) {
    int64_t s = info->mtime_ns / 1000000000;
    return info->mtime_ns % 1000000000 < 0 ? s - 1 : s;
}

int s3_conditions_check(const struct s3_conditions *c, const struct lb_object_info *info) {
    if (c->if_match.ptr) {
        if (!s3_etag_listed(c->if_match, &info->etag, false))
            return LB_ERR_PRECONDITION_FAILED;
    } else if (c->has_unmodified_since && mtime_s(info) > c->unmodified_since_s) {
        return LB_ERR_PRECONDITION_FAILED;
    }
    if (c->if_none_match.ptr) {
        if (s3_etag_listed(c->if_none_match, &info->etag, true))
            return LB_ERR_NOT_MODIFIED;
    } else if (c->has_modified_since && mtime_s(info) <= c->modified_since_s) {
        return LB_ERR_NOT_MODIFIED;
    }
    return 0;
}

static int write_tag(const struct s3_request *r, struct lb_slice name, struct lb_slice *ret) {
    struct lb_slice value = s3_request_header(r, name);
    if (!value.ptr)
        return 0;
    if (value.len == 0 || lb_slice_find(value, ',') >= 0 || lb_slice_starts_with(value, LB_S("W/")))
        return LB_ERR_NOT_IMPLEMENTED;
    *ret = s3_etag_unquote(value);
    return ret->len ? 0 : LB_ERR_INVALID_ARGUMENT;
}

int s3_precond_parse(const struct s3_request *r, struct lb_precond *ret) {
    struct lb_precond p = {.has_mtime = false};
    if (s3_request_header(r, LB_S("if-modified-since")).ptr ||
        s3_request_header(r, LB_S("if-unmodified-since")).ptr)
        return LB_ERR_NOT_IMPLEMENTED;
    int err = write_tag(r, LB_S("if-match"), &p.if_match);
    if (err == 0)
        err = write_tag(r, LB_S("if-none-match"), &p.if_none_match);
    if (err == 0)
        *ret = p;
    return err;
}

void s3_etag_of_md5(const struct lb_digest *md5, struct lb_etag *ret) {
    char hex[2 * LB_HASH_SIZE_MAX + 1];
    lb_hex_encode(md5->bytes, md5->len, hex);
    ret->len = (uint8_t)(2 * md5->len);
    memcpy(ret->text, hex, ret->len);
}

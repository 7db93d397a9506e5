/* Conditional requests (RFC 9110, 13): of reads and copy sources, decided here, and of writes,
 * handed to the engine, which decides at the commit. */
#ifndef LB_S3_CONDITIONAL_PRIV_H
#define LB_S3_CONDITIONAL_PRIV_H

#include "s3/request_priv.h"

struct s3_conditions {
    struct lb_slice if_match;      /* list of entity tags or "*"; ptr NULL: absent */
    struct lb_slice if_none_match; /* as if_match */
    bool has_modified_since, has_unmodified_since;
    int64_t modified_since_s;
    int64_t unmodified_since_s;
};

/* The conditions of a GET or HEAD, and those on a copy source (x-amz-copy-source-if-*). Dates that
 * are none are ignored, as RFC 9110 says. */
void s3_conditions_of_read(const struct s3_request *r, struct s3_conditions *ret);
void s3_conditions_of_copy(const struct s3_request *r, struct s3_conditions *ret);

/* Do they hold for an object? Precedence as in RFC 9110, 13.2.2. Returns 0, PRECONDITION_FAILED or
 * NOT_MODIFIED (of a copy source, the caller answers PRECONDITION_FAILED for both). */
int s3_conditions_check(const struct s3_conditions *c, const struct lb_object_info *info);

/* Does a list of entity tags ("a", W/"b", c without quotes, or *) name this one? weak: weak
 * comparison (If-None-Match); else a weak tag matches nothing (If-Match). */
bool s3_etag_listed(struct lb_slice list, const struct lb_etag *etag, bool weak);

/* The If-Match and If-None-Match of a write: of PutObject, CompleteMultipartUpload, CopyObject and
 * DeleteObject. Returns 0 and the precondition; NOT_IMPLEMENTED for lists, weak tags, and
 * conditions on dates. */
int s3_precond_parse(const struct s3_request *r, struct lb_precond *ret);

/* A tag without its quotes. */
struct lb_slice s3_etag_unquote(struct lb_slice tag);

/* The ETag of an object whose bytes have this MD5. */
void s3_etag_of_md5(const struct lb_digest *md5, struct lb_etag *ret);

#endif

/* What a request says of who signed it: the Authorization header, in any order and spacing of its
 * fields, or the query of a presigned URL. Nothing is verified here. */
#include "auth/sigv4_priv.h"
#include "base/err.h"

#include <errno.h>

/* ---- the headers ---- */

static struct lb_slice *wanted(struct lb_slice name, struct auth_headers *h) {
    switch (name.len) {
    case 4:
        return lb_slice_eq_nocase(name, LB_S("date")) ? &h->date : NULL;
    case 10:
        return lb_slice_eq_nocase(name, LB_S("x-amz-date")) ? &h->amz_date : NULL;
    case 13:
        return lb_slice_eq_nocase(name, LB_S("authorization")) ? &h->authorization : NULL;
    case 20:
        return lb_slice_eq_nocase(name, LB_S("x-amz-content-sha256")) ? &h->content_sha256 : NULL;
    default:
        return NULL;
    }
}

int auth_headers_find(const struct lb_auth_request *r, struct auth_headers *ret) {
    struct auth_headers found = {0};
    for (size_t i = 0; i < r->headers_n; i++) {
        struct lb_slice *to = wanted(r->headers[i].name, &found);
        if (!to)
            continue;
        if (to->ptr)
            return LB_ERR_INVALID_ARGUMENT;
        *to = lb_slice_trim(r->headers[i].value);
    }
    *ret = found;
    return 0;
}

/* ---- the credential: access key/date/region/s3/aws4_request ---- */

/* Cuts s at the last '/': returns what stands behind it and leaves in *s what stands before. */
static struct lb_slice cut_last(struct lb_slice *s) {
    size_t at = s->len;
    while (at && s->ptr[at - 1] != '/')
        at--;
    struct lb_slice last = lb_slice_from(*s, at);
    s->len = at ? at - 1 : 0;
    return last;
}

static bool is_digits(struct lb_slice s) {
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    return s.len > 0;
}

/* From the end, since an access key may hold slashes. */
static bool parse_credential(struct lb_slice s, struct auth_claim *claim) {
    struct lb_slice rest = s;
    struct lb_slice terminator = cut_last(&rest);
    struct lb_slice service = cut_last(&rest);
    struct lb_slice region = cut_last(&rest);
    struct lb_slice date = cut_last(&rest);
    if (!lb_slice_eq(terminator, LB_S(AUTH_TERMINATOR)) || !lb_slice_eq(service, LB_S("s3")) ||
        !region.len || date.len != 8 || !is_digits(date) || !rest.len)
        return false;
    claim->access_key = rest;
    claim->scope = lb_slice_from(s, rest.len + 1);
    return claim->scope.len <= AUTH_SCOPE_MAX;
}

/* ---- the Authorization header ---- */

static bool is_separator(char c) {
    return c == ',' || c == ' ' || c == '\t';
}

/* Cuts the next word off s. */
static struct lb_slice next_word(struct lb_slice *s) {
    size_t begin = 0;
    while (begin < s->len && is_separator(s->ptr[begin]))
        begin++;
    size_t end = begin;
    while (end < s->len && !is_separator(s->ptr[end]))
        end++;
    struct lb_slice word = lb_slice(s->ptr + begin, end - begin);
    *s = lb_slice_from(*s, end);
    return word;
}

/* Stores a field's value once. */
static bool set_field(struct lb_slice name, struct lb_slice value, struct lb_slice *credential,
                      struct auth_claim *claim) {
    struct lb_slice *to = lb_slice_eq(name, LB_S("Credential"))      ? credential
                          : lb_slice_eq(name, LB_S("SignedHeaders")) ? &claim->signed_headers
                          : lb_slice_eq(name, LB_S("Signature"))     ? &claim->signature
                                                                     : NULL;
    if (!to || to->ptr || !value.len)
        return false;
    *to = value;
    return true;
}

static int parse_fields(struct lb_slice s, struct auth_claim *claim) {
    struct lb_slice credential = {0};
    for (;;) {
        struct lb_slice word = next_word(&s);
        if (!word.len)
            break;
        struct lb_slice name = lb_slice_cut(&word, '=');
        if (!set_field(name, word, &credential, claim))
            return LB_ERR_AUTH_HEADER_MALFORMED;
    }
    if (!credential.ptr || !claim->signed_headers.ptr || !claim->signature.ptr ||
        !parse_credential(credential, claim))
        return LB_ERR_AUTH_HEADER_MALFORMED;
    return 1;
}

static int parse_header(const struct auth_headers *h, struct auth_claim *claim) {
    struct lb_slice rest = h->authorization;
    if (!lb_slice_eq(next_word(&rest), LB_S(AUTH_ALGORITHM)))
        return LB_ERR_UNSUPPORTED_SIGNATURE;
    int err = parse_fields(rest, claim);
    if (err < 0)
        return err;
    /* S3: "AWS authentication requires a valid Date or x-amz-date header", AccessDenied. */
    struct lb_slice date = h->amz_date.ptr ? h->amz_date : h->date;
    if (auth_date_parse(date, claim->date, &claim->date_s) < 0)
        return LB_ERR_ACCESS_DENIED;
    if (!h->content_sha256.ptr)
        return LB_ERR_MISSING_HEADER;
    if (!lb_slice_eq(lb_slice_first(claim->scope, 8), lb_slice(claim->date, 8)))
        return LB_ERR_AUTH_HEADER_MALFORMED;
    claim->payload = h->content_sha256;
    return 1;
}

/* ---- the presigned query ---- */

struct presigned {
    struct lb_slice algorithm, credential, date, expires, signed_headers, signature;
    struct lb_slice content_sha256;
    bool sigv2_key, sigv2_signature;
};

static struct lb_slice *presigned_field(struct presigned *p, struct lb_slice name) {
    const struct {
        struct lb_slice name;
        struct lb_slice *field;
    } fields[] = {
        {LB_S("X-Amz-Algorithm"), &p->algorithm},
        {LB_S("X-Amz-Credential"), &p->credential},
        {LB_S("X-Amz-Date"), &p->date},
        {LB_S("X-Amz-Expires"), &p->expires},
        {LB_S("X-Amz-SignedHeaders"), &p->signed_headers},
        {LB_S("X-Amz-Signature"), &p->signature},
        {LB_S("X-Amz-Content-Sha256"), &p->content_sha256},
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (lb_slice_eq(name, fields[i].name))
            return fields[i].field;
    return NULL;
}

/* Collects the parameters that authentication reads. Returns 0; AUTH_QUERY_MALFORMED for one that
 * is repeated; -ENOMEM. */
static int presigned_find(struct lb_slice query, struct lb_arena *arena, struct presigned *p) {
    struct lb_auth_pair param;
    while (auth_query_next(&query, &param)) {
        p->sigv2_key |= lb_slice_eq(param.name, LB_S("AWSAccessKeyId"));
        p->sigv2_signature |= lb_slice_eq(param.name, LB_S("Signature"));
        if (!lb_slice_starts_with(param.name, LB_S("X-Amz-")))
            continue;
        struct lb_slice *field = presigned_field(p, param.name);
        if (!field)
            continue;
        if (field->ptr)
            return LB_ERR_AUTH_QUERY_MALFORMED;
        struct auth_text value = {.arena = arena};
        auth_text_reserve(&value, param.value.len + 1); /* so that even "" has a ptr */
        auth_text_add_decoded(&value, param.value);
        if (value.failed)
            return -ENOMEM;
        *field = auth_text_slice(&value);
    }
    return 0;
}

/* A number out of range is AccessDenied, as the conformance suite wants it; 0 has just expired. */
static int parse_expires(struct lb_slice s, int64_t *ret) {
    bool negative = lb_slice_starts_with(s, LB_S("-"));
    struct lb_slice number = lb_slice_from(s, negative);
    uint64_t seconds;
    if (!is_digits(number))
        return LB_ERR_AUTH_QUERY_MALFORMED;
    if (negative || lb_slice_to_u64(number, &seconds) < 0 || seconds > AUTH_EXPIRES_MAX_S)
        return LB_ERR_ACCESS_DENIED;
    *ret = (int64_t)seconds;
    return 0;
}

static int parse_presigned(const struct presigned *p, const struct auth_headers *h,
                           struct auth_claim *claim) {
    if (lb_slice_eq(p->algorithm, LB_S("AWS4-ECDSA-P256-SHA256")))
        return LB_ERR_UNSUPPORTED_SIGNATURE;
    if (!lb_slice_eq(p->algorithm, LB_S(AUTH_ALGORITHM)) || !p->signature.len ||
        !p->signed_headers.len || !parse_credential(p->credential, claim) ||
        auth_date_parse(p->date, claim->date, &claim->date_s) < 0 ||
        !lb_slice_eq(lb_slice_first(claim->scope, 8), lb_slice(claim->date, 8)))
        return LB_ERR_AUTH_QUERY_MALFORMED;
    int err = parse_expires(p->expires, &claim->expires_s);
    if (err < 0)
        return err;
    claim->presigned = true;
    claim->signed_headers = p->signed_headers;
    claim->signature = p->signature;
    claim->payload = p->content_sha256.ptr   ? p->content_sha256
                     : h->content_sha256.ptr ? h->content_sha256
                                             : LB_S("UNSIGNED-PAYLOAD");
    return 1;
}

int auth_claim_parse(const struct lb_auth_request *r, const struct auth_headers *h,
                     struct lb_arena *arena, struct auth_claim *ret) {
    struct presigned p = {0};
    struct auth_claim claim = {0};
    int err = presigned_find(r->query, arena, &p);
    if (err < 0)
        return err;
    bool in_query = p.algorithm.ptr || p.credential.ptr || p.signature.ptr;
    bool sigv2 = p.sigv2_key && p.sigv2_signature;
    if (h->authorization.len && (in_query || sigv2))
        return LB_ERR_INVALID_ARGUMENT; /* only one mechanism may be used */
    if (in_query)
        err = parse_presigned(&p, h, &claim);
    else if (h->authorization.len)
        err = parse_header(h, &claim);
    else
        return sigv2 ? LB_ERR_UNSUPPORTED_SIGNATURE : 0;
    if (err > 0)
        *ret = claim;
    return err;
}

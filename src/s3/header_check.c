/* Headers that ask for what is not there. Passing one over would store in the clear what was to be
 * encrypted, or leave open what was to be closed. */
#include "s3/checksum_priv.h"
#include "s3/ops_priv.h"

static const struct {
    struct lb_slice name;
    bool prefix;           /* and all names that begin so */
    struct lb_slice value; /* one that is harmless, or empty: none is */
} refused[] = {
#define REFUSE(name, prefix, value)         \
    {                                       \
        {name, sizeof(name) - 1}, prefix, { \
            value, sizeof(value) - 1        \
        }                                   \
    }
    REFUSE("x-amz-server-side-encryption", true, ""),
    REFUSE("x-amz-copy-source-server-side-encryption", true, ""),
    REFUSE("x-amz-object-lock-", true, ""),
    REFUSE("x-amz-bucket-object-lock-enabled", false, "false"),
    REFUSE("x-amz-grant-", true, ""),
    REFUSE("x-amz-object-ownership", false, "BucketOwnerEnforced"),
    REFUSE("x-amz-mfa", false, ""),
    REFUSE("x-amz-write-offset-bytes", false, ""),
    REFUSE("x-amz-rdma-token", false, ""),
#undef REFUSE
};

/* x-amz-checksum-<algorithm> of an algorithm that is not known. */
static bool unknown_checksum(struct lb_slice name) {
    struct lb_slice prefix = LB_S("x-amz-checksum-");
    struct lb_slice rest = lb_slice_from(name, prefix.len);
    return lb_slice_eq_nocase(lb_slice_first(name, prefix.len), prefix) &&
           !lb_slice_eq_nocase(rest, LB_S("mode")) && !lb_slice_eq_nocase(rest, LB_S("type")) &&
           !lb_slice_eq_nocase(rest, LB_S("algorithm")) &&
           s3_checksum_by_header(name) == LB_HASH_KINDS;
}

static bool supported(struct lb_slice name, struct lb_slice value) {
    struct lb_slice prefix = LB_S("x-amz-");
    if (!lb_slice_eq_nocase(lb_slice_first(name, prefix.len), prefix))
        return true;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct lb_slice n = refused[i].prefix ? lb_slice_first(name, refused[i].name.len) : name;
        if (lb_slice_eq_nocase(n, refused[i].name))
            return refused[i].value.len && lb_slice_eq_nocase(value, refused[i].value);
    }
    return !unknown_checksum(name);
}

int s3_headers_supported(const struct s3_request *r) {
    const struct lb_http_request *h = r->x->request;
    for (size_t i = 0; i < h->headers_n; i++) {
        if (!supported(h->headers[i].name, h->headers[i].value))
            return LB_ERR_NOT_IMPLEMENTED;
    }
    for (size_t i = 0; i < r->query.n; i++) {
        if (!supported(r->query.params[i].name, r->query.params[i].value))
            return LB_ERR_NOT_IMPLEMENTED;
    }
    return 0;
}

/* The canonical query: parameters recoded, sorted by encoded name and then value, joined again.
 * A '+' is a space, as in AWS's own test suite and as the S3 layer reads it; what clients send for
 * a literal plus is %2B. X-Amz-Signature is left out: it can't sign itself. */
#include "auth/sigv4_priv.h"
#include "base/err.h"

#include <errno.h>

bool auth_query_next(struct lb_slice *query, struct lb_auth_pair *ret) {
    while (query->len) {
        struct lb_slice param = lb_slice_cut(query, '&');
        if (!param.len)
            continue;
        ret->name = lb_slice_cut(&param, '=');
        ret->value = param;
        return true;
    }
    return false;
}

/* s recoded; s itself where that changes nothing. Sets t->failed without memory. */
static struct lb_slice recoded(struct auth_text *t, struct lb_slice s) {
    if (auth_is_unreserved(s))
        return s;
    struct auth_text copy = {.arena = t->arena};
    auth_text_add_recoded(&copy, s, true, false);
    t->failed |= copy.failed;
    return auth_text_slice(&copy);
}

static bool param_before(const struct lb_auth_pair *a, const struct lb_auth_pair *b) {
    int c = lb_slice_cmp(a->name, b->name);
    return c ? c < 0 : lb_slice_cmp(a->value, b->value) < 0;
}

/* Adds p to the n sorted parameters. Queries are short: insertion is the fastest. */
static void insert(struct lb_auth_pair *params, size_t n, struct lb_auth_pair p) {
    while (n && param_before(&p, &params[n - 1])) {
        params[n] = params[n - 1];
        n--;
    }
    params[n] = p;
}

int auth_canonical_query(struct auth_text *t, struct lb_slice query, bool raw) {
    struct lb_auth_pair params[AUTH_QUERY_MAX];
    struct lb_auth_pair p;
    size_t n = 0;
    while (auth_query_next(&query, &p)) {
        if (lb_slice_eq(p.name, LB_S("X-Amz-Signature")))
            continue;
        if (n == AUTH_QUERY_MAX)
            return LB_ERR_INVALID_URI;
        if (!raw) {
            p.name = recoded(t, p.name);
            p.value = recoded(t, p.value);
        }
        insert(params, n++, p);
    }
    for (size_t i = 0; i < n; i++) {
        if (i)
            auth_text_add_char(t, '&');
        auth_text_add(t, params[i].name);
        auth_text_add_char(t, '=');
        auth_text_add(t, params[i].value);
    }
    return t->failed ? -ENOMEM : 0;
}

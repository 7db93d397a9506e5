/* What a credential may do, and the copy of it that a request keeps. */
#include "auth/creds.h"

static bool matches(const struct lb_grant *g, struct lb_slice bucket) {
    struct lb_slice pattern = lb_slice_cstr(g->pattern);
    if (lb_slice_ends_with(pattern, LB_S("*")))
        return lb_slice_starts_with(bucket, lb_slice_first(pattern, pattern.len - 1));
    return lb_slice_eq(bucket, pattern);
}

unsigned lb_cred_rights(const struct lb_cred *cred, struct lb_slice bucket) {
    unsigned rights = 0;
    for (size_t i = 0; i < cred->grants_n; i++) {
        if (matches(&cred->grants[i], bucket))
            rights |= cred->grants[i].rights;
    }
    return rights;
}

const struct lb_cred *lb_cred_copy(const struct lb_cred *cred, struct lb_arena *arena) {
    size_t grants_size = cred->grants_n * sizeof(cred->grants[0]);
    struct lb_cred *copy = lb_arena_alloc(arena, sizeof(*copy));
    struct lb_grant *grants = grants_size ? lb_arena_alloc(arena, grants_size) : NULL;
    if (!copy || (grants_size && !grants))
        return NULL;
    if (grants_size)
        memcpy(grants, cred->grants, grants_size);
    strcpy(copy->access_key, cred->access_key);
    strcpy(copy->user_id, cred->user_id);
    strcpy(copy->display_name, cred->display_name);
    copy->secret_key[0] = '\0';
    copy->admin = cred->admin;
    copy->disabled = cred->disabled;
    copy->expires_s = cred->expires_s;
    copy->epoch = cred->epoch;
    copy->grants = grants;
    copy->grants_n = cred->grants_n;
    return copy;
}

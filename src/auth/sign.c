/* What a client does: signs a request in its Authorization header. */
#include "auth/sigv4_priv.h"

#include <errno.h>

/* Signed are host, content-md5, content-type and every x-amz-*; what proxies may touch is not. */
static bool is_signed(struct lb_slice name) {
    return (name.len > 6 && strncasecmp(name.ptr, "x-amz-", 6) == 0) ||
           lb_slice_eq_nocase(name, LB_S("host")) ||
           lb_slice_eq_nocase(name, LB_S("content-md5")) ||
           lb_slice_eq_nocase(name, LB_S("content-type"));
}

static int lower_name(struct lb_arena *arena, struct lb_slice name, struct lb_slice *ret) {
    char *p = lb_arena_alloc(arena, name.len);
    if (!p)
        return -ENOMEM;
    for (size_t i = 0; i < name.len; i++)
        p[i] = name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? (char)(name.ptr[i] + 32) : name.ptr[i];
    *ret = lb_slice(p, name.len);
    return 0;
}

/* Puts name where it belongs among the sorted ones. */
static void insert_name(struct auth_signed *names, struct lb_slice name) {
    size_t i = names->n++;
    for (; i && lb_slice_cmp(name, names->names[i - 1]) < 0; i--)
        names->names[i] = names->names[i - 1];
    names->names[i] = name;
}

/* The names to sign, in lower case, sorted, each once. */
static int signed_names(const struct lb_auth_request *r, struct lb_arena *arena,
                        struct auth_signed *ret) {
    struct auth_text text = {.arena = arena};
    ret->n = 0;
    for (size_t i = 0; i < r->headers_n; i++) {
        struct lb_slice name;
        if (!is_signed(r->headers[i].name) || auth_signed_has(ret, r->headers[i].name))
            continue;
        if (ret->n == AUTH_SIGNED_MAX || lower_name(arena, r->headers[i].name, &name) < 0)
            return -ENOMEM;
        insert_name(ret, name);
    }
    for (size_t i = 0; i < ret->n; i++) {
        if (i)
            auth_text_add_char(&text, ';');
        auth_text_add(&text, ret->names[i]);
    }
    ret->text = auth_text_slice(&text);
    return text.failed ? -ENOMEM : 0;
}

int lb_sigv4_sign(const struct lb_auth_request *r, const struct lb_cred *cred,
                  struct lb_slice region, struct lb_slice date_basic, struct lb_slice payload,
                  struct lb_arena *arena, struct lb_slice *ret) {
    struct auth_signed names;
    struct lb_slice canonical, scope;
    uint8_t key[LB_AUTH_KEY_LEN], signature[32];
    char hex[65];
    int err = signed_names(r, arena, &names);
    if (err == 0)
        err = auth_canonical_request(r, &names, payload, 0, arena, &canonical);
    if (err == 0)
        err = lb_arena_printf(arena, &scope, "%.*s/%.*s/s3/" AUTH_TERMINATOR,
                              LB_SLICE_ARG(lb_slice_first(date_basic, 8)), LB_SLICE_ARG(region));
    if (err < 0)
        return err;
    if (date_basic.len != AUTH_DATE_LEN || scope.len > AUTH_SCOPE_MAX)
        return -EINVAL;
    auth_sha256_hex(canonical, hex);
    auth_key_derive(cred, scope, key);
    const struct auth_string string = {LB_S(AUTH_ALGORITHM), date_basic, scope, lb_slice(hex, 64)};
    auth_signature(key, &string, signature);
    explicit_bzero(key, sizeof(key));
    lb_hex_encode(signature, sizeof(signature), hex);
    return lb_arena_printf(arena, ret,
                           AUTH_ALGORITHM " Credential=%s/%.*s, SignedHeaders=%.*s, Signature=%s",
                           cred->access_key, LB_SLICE_ARG(scope), LB_SLICE_ARG(names.text), hex);
}

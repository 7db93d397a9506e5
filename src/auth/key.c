/* Signing keys, and the cache that spares the four HMACs that derive one.
 * The cache is made of sets of AUTH_WAYS slots; a key lives in the set its name hashes to, the
 * newest first. Entries are keyed by the credential's epoch too, so a changed secret misses. */
#include "auth/sigv4_priv.h"
#include "hash/hash.h"

#include <assert.h>

#define AUTH_WAYS 4
#define AUTH_SETS (LB_AUTH_KEY_CACHE_N / AUTH_WAYS)

void auth_key_derive(const struct lb_cred *cred, struct lb_slice scope,
                     uint8_t ret[LB_AUTH_KEY_LEN]) {
    char first[4 + LB_SECRET_KEY_MAX] = "AWS4";
    size_t secret_len = strlen(cred->secret_key);
    uint8_t key[LB_AUTH_KEY_LEN], next[LB_AUTH_KEY_LEN];
    memcpy(first + 4, cred->secret_key, secret_len);
    lb_hmac_sha256(lb_slice(first, 4 + secret_len), lb_slice_cut(&scope, '/'), key);
    while (scope.len) { /* region, service, terminator */
        lb_hmac_sha256(lb_slice(key, sizeof(key)), lb_slice_cut(&scope, '/'), next);
        memcpy(key, next, sizeof(key));
    }
    memcpy(ret, key, sizeof(key));
    explicit_bzero(first, sizeof(first));
    explicit_bzero(key, sizeof(key));
    explicit_bzero(next, sizeof(next));
}

/* FNV-1a. Unkeyed is enough: only those who hold a secret add entries. */
static uint64_t hash(uint64_t h, struct lb_slice s) {
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (uint8_t)s.ptr[i]) * 0x100000001b3u;
    return h;
}

static size_t first_slot(struct lb_slice access_key, struct lb_slice scope) {
    uint64_t h = hash(hash(0xcbf29ce484222325u, access_key), scope);
    return (h ^ h >> 32) % AUTH_SETS * AUTH_WAYS;
}

bool auth_key_cached(const struct lb_auth_key_cache *c, const struct lb_cred *cred,
                     struct lb_slice scope, uint8_t ret[LB_AUTH_KEY_LEN]) {
    size_t first = first_slot(lb_slice_cstr(cred->access_key), scope);
    for (size_t i = first; i < first + AUTH_WAYS; i++) {
        if (c->slots[i].access_key[0] && c->slots[i].cred_epoch == cred->epoch &&
            lb_slice_eq(lb_slice_cstr(c->slots[i].scope), scope) &&
            strcmp(c->slots[i].access_key, cred->access_key) == 0) {
            memcpy(ret, c->slots[i].key, LB_AUTH_KEY_LEN);
            return true;
        }
    }
    return false;
}

void auth_key_remember(struct lb_auth_key_cache *c, const struct lb_cred *cred,
                       struct lb_slice scope, const uint8_t key[LB_AUTH_KEY_LEN]) {
    struct lb_slice access_key = lb_slice_cstr(cred->access_key);
    size_t first = first_slot(access_key, scope);
    __typeof__(c->slots[0]) fresh = {.cred_epoch = cred->epoch};
    assert(scope.len < sizeof(fresh.scope));
    memcpy(fresh.access_key, access_key.ptr, access_key.len);
    memcpy(fresh.scope, scope.ptr, scope.len);
    memcpy(fresh.key, key, LB_AUTH_KEY_LEN);
    memmove(&c->slots[first + 1], &c->slots[first], (AUTH_WAYS - 1) * sizeof(fresh));
    c->slots[first] = fresh; /* the key that falls out is overwritten by its neighbour */
    explicit_bzero(&fresh, sizeof(fresh));
}

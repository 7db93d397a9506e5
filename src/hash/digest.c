/* Digests by libcrypto, checksums by crc.c: one-shot, streaming and HMAC.
 *
 * libcrypto looks an algorithm up by name for longer than it takes to hash a header, and a context
 * costs two allocations. So the algorithms are fetched once for the process, and each thread keeps
 * one context per digest for the one-shot calls. */
#include "hash/crc_priv.h"
#include "hash/hash.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>

#define SHA256_BLOCK 64
#define SHA256_SIZE 32

static const struct {
    const char *name; /* libcrypto's, NULL for a checksum */
    uint8_t size;
} kinds_info[LB_HASH_KINDS] = {
    [LB_HASH_MD5] = {"MD5", 16}, [LB_HASH_SHA1] = {"SHA1", 20}, [LB_HASH_SHA256] = {"SHA256", 32},
    [LB_HASH_CRC32] = {NULL, 4}, [LB_HASH_CRC32C] = {NULL, 4},  [LB_HASH_CRC64NVME] = {NULL, 8},
};

static const EVP_MD *algorithms[LB_HASH_KINDS];
static pthread_key_t contexts_key;
static pthread_once_t setup_once = PTHREAD_ONCE_INIT;

struct contexts {
    EVP_MD_CTX *of[LB_HASH_KINDS];
};

static void contexts_free(void *p) {
    struct contexts *c = p;
    for (int kind = 0; kind < LB_HASH_KINDS; kind++)
        EVP_MD_CTX_free(c->of[kind]);
    free(c);
}

static void setup(void) {
    for (int kind = 0; kind < LB_HASH_KINDS; kind++) {
        if (!kinds_info[kind].name)
            continue;
        algorithms[kind] = EVP_MD_fetch(NULL, kinds_info[kind].name, NULL);
        assert(algorithms[kind]);
    }
    int err = pthread_key_create(&contexts_key, contexts_free);
    assert(err == 0);
}

/* This thread's context for the one-shot calls, begun anew. It is allocated at the thread's first
 * digest of the kind: a call that returns no error must not fail, so running out of memory there
 * ends the process. */
static EVP_MD_CTX *context_begin(enum lb_hash_kind kind) {
    pthread_once(&setup_once, setup);
    struct contexts *c = pthread_getspecific(contexts_key);
    if (!c) {
        c = calloc(1, sizeof(*c));
        assert(c);
        int err = pthread_setspecific(contexts_key, c);
        assert(err == 0);
    }
    if (!c->of[kind])
        c->of[kind] = EVP_MD_CTX_new();
    assert(c->of[kind]);
    int ok = EVP_DigestInit_ex2(c->of[kind], algorithms[kind], NULL);
    assert(ok);
    return c->of[kind];
}

static void context_update(EVP_MD_CTX *ctx, struct lb_slice data) {
    int ok = EVP_DigestUpdate(ctx, data.ptr, data.len);
    assert(ok);
}

static void context_final(EVP_MD_CTX *ctx, uint8_t *ret) {
    int ok = EVP_DigestFinal_ex(ctx, ret, NULL);
    assert(ok);
}

size_t lb_hash_size(enum lb_hash_kind kind) {
    return kinds_info[kind].size;
}

void lb_hash_once(enum lb_hash_kind kind, struct lb_slice data, struct lb_digest *ret) {
    if (lb_crc_is(kind)) {
        uint64_t state = lb_crc_start(kind);
        state = lb_crc_update(kind, state, (const uint8_t *)data.ptr, data.len);
        lb_crc_digest(kind, state, ret);
        return;
    }
    EVP_MD_CTX *ctx = context_begin(kind);
    context_update(ctx, data);
    context_final(ctx, ret->bytes);
    ret->len = kinds_info[kind].size;
}

/* RFC 2104, 2: H(key ^ opad, H(key ^ ipad, data)). */
void lb_hmac_sha256(struct lb_slice key, struct lb_slice data, uint8_t *ret) {
    struct lb_digest short_key;
    uint8_t pad[SHA256_BLOCK] = {0}, inner[SHA256_SIZE];
    if (key.len > sizeof(pad)) {
        lb_hash_once(LB_HASH_SHA256, key, &short_key);
        key = lb_slice(short_key.bytes, short_key.len);
    }
    if (key.len)
        memcpy(pad, key.ptr, key.len);
    for (size_t i = 0; i < sizeof(pad); i++)
        pad[i] ^= 0x36;
    EVP_MD_CTX *ctx = context_begin(LB_HASH_SHA256);
    context_update(ctx, lb_slice(pad, sizeof(pad)));
    context_update(ctx, data);
    context_final(ctx, inner);
    for (size_t i = 0; i < sizeof(pad); i++)
        pad[i] ^= 0x36 ^ 0x5c;
    ctx = context_begin(LB_HASH_SHA256);
    context_update(ctx, lb_slice(pad, sizeof(pad)));
    context_update(ctx, lb_slice(inner, sizeof(inner)));
    context_final(ctx, ret);
    OPENSSL_cleanse(pad, sizeof(pad));
}

bool lb_hash_eq(const void *a, const void *b, size_t n) {
    return CRYPTO_memcmp(a, b, n) == 0;
}

int lb_hasher_init(struct lb_hasher *h, unsigned kinds) {
    memset(h, 0, sizeof(*h));
    h->kinds = kinds;
    for (unsigned left = kinds; left; left &= left - 1) {
        int kind = __builtin_ctz(left);
        if (lb_crc_is(kind)) {
            h->crc[kind] = lb_crc_start(kind);
            continue;
        }
        pthread_once(&setup_once, setup);
        h->evp[kind] = EVP_MD_CTX_new();
        if (!h->evp[kind] || !EVP_DigestInit_ex2(h->evp[kind], algorithms[kind], NULL)) {
            lb_hasher_fini(h);
            return -ENOMEM;
        }
    }
    return 0;
}

void lb_hasher_update(struct lb_hasher *h, struct lb_slice data) {
    for (unsigned left = h->kinds; left; left &= left - 1) {
        int kind = __builtin_ctz(left);
        if (lb_crc_is(kind))
            h->crc[kind] = lb_crc_update(kind, h->crc[kind], (const uint8_t *)data.ptr, data.len);
        else
            context_update(h->evp[kind], data);
    }
}

void lb_hasher_final(struct lb_hasher *h, enum lb_hash_kind kind, struct lb_digest *ret) {
    assert(h->kinds & LB_HASH_BIT(kind));
    if (lb_crc_is(kind)) {
        lb_crc_digest(kind, h->crc[kind], ret);
        return;
    }
    context_final(h->evp[kind], ret->bytes);
    ret->len = kinds_info[kind].size;
}

void lb_hasher_fini(struct lb_hasher *h) {
    for (unsigned left = h->kinds; left; left &= left - 1)
        EVP_MD_CTX_free(h->evp[__builtin_ctz(left)]);
    memset(h, 0, sizeof(*h));
}

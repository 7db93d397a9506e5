/* Strings to sign and their signatures; the chain of signatures of a streaming body. */
#include "auth/sigv4_priv.h"
#include "base/err.h"
#include "hash/hash.h"

#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

size_t auth_string_to_sign(const struct auth_string *s, char *ret) {
    struct auth_text t = {.ptr = ret, .cap = AUTH_STRING_TO_SIGN_MAX};
    auth_text_add(&t, s->algorithm);
    auth_text_add_char(&t, '\n');
    auth_text_add(&t, s->date);
    auth_text_add_char(&t, '\n');
    auth_text_add(&t, s->scope);
    auth_text_add_char(&t, '\n');
    auth_text_add(&t, s->tail);
    return t.len;
}

void auth_signature(const uint8_t key[LB_AUTH_KEY_LEN], const struct auth_string *s,
                    uint8_t ret[32]) {
    char text[AUTH_STRING_TO_SIGN_MAX];
    size_t len = auth_string_to_sign(s, text);
    lb_hmac_sha256(lb_slice(key, LB_AUTH_KEY_LEN), lb_slice(text, len), ret);
}

void auth_sha256_hex(struct lb_slice data, char ret[65]) {
    struct lb_digest digest;
    lb_hash_once(LB_HASH_SHA256, data, &digest);
    lb_hex_encode(digest.bytes, 32, ret);
}

/* Verifies one link of the chain and advances it. */
static int verify_link(struct lb_auth_stream *s, struct lb_slice algorithm, struct lb_slice tail,
                       struct lb_slice signature) {
    const struct auth_string string = {algorithm, lb_slice_cstr(s->date_basic),
                                       lb_slice_cstr(s->scope), tail};
    uint8_t given[32], expected[32];
    auth_signature(s->signing_key, &string, expected);
    if (lb_hex_decode(signature, given, sizeof(given)) < 0 ||
        !lb_hash_eq(given, expected, sizeof(given)))
        return LB_ERR_SIGNATURE_MISMATCH;
    lb_hex_encode(expected, sizeof(expected), s->previous);
    return 0;
}

int lb_sigv4_chunk(struct lb_auth_stream *s, const uint8_t sha256[32], struct lb_slice signature) {
    char memory[64 + 1 + 64 + 1 + 65];
    struct auth_text tail = {.ptr = memory, .cap = sizeof(memory)};
    char hex[65];
    lb_hex_encode(sha256, 32, hex);
    auth_text_add(&tail, lb_slice(s->previous, 64));
    auth_text_add(&tail, LB_S("\n" EMPTY_SHA256 "\n"));
    auth_text_add(&tail, lb_slice(hex, 64));
    return verify_link(s, LB_S(AUTH_ALGORITHM "-PAYLOAD"), auth_text_slice(&tail), signature);
}

int lb_sigv4_trailer(struct lb_auth_stream *s, struct lb_slice canonical,
                     struct lb_slice signature) {
    char memory[64 + 1 + 65];
    struct auth_text tail = {.ptr = memory, .cap = sizeof(memory)};
    char hex[65];
    auth_sha256_hex(canonical, hex);
    auth_text_add(&tail, lb_slice(s->previous, 64));
    auth_text_add_char(&tail, '\n');
    auth_text_add(&tail, lb_slice(hex, 64));
    return verify_link(s, LB_S(AUTH_ALGORITHM "-TRAILER"), auth_text_slice(&tail), signature);
}

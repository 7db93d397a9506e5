/* The decision: who sent the request, and how is its body signed?
 *
 * Every x-amz-* header must be signed, as S3 demands ("There were headers present in the request
 * which were not signed"), but for two whose values the signature covers in another place:
 * x-amz-content-sha256 when it is the canonical request's last line (S3 tolerates it too), and
 * x-amz-date when it is the string to sign's second.
 *
 * A client that sends a path or a query in another encoding than UriEncode's may have signed it in
 * its canonical form or as it stands on the wire. Both are tried. That is safe: what differs from
 * its own canonical form is the canonical form of no request, so a signature over it can't have
 * been made for another one. */
#include "auth/sigv4_priv.h"
#include "base/err.h"
#include "hash/hash.h"

#include <errno.h>

/* ---- x-amz-content-sha256 ---- */

static const struct {
    struct lb_slice value;
    enum lb_auth_payload payload;
} payloads[] = {
    {{"UNSIGNED-PAYLOAD", 16}, LB_AUTH_PAYLOAD_UNSIGNED},
    {{"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", 34}, LB_AUTH_PAYLOAD_STREAM},
    {{"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", 42}, LB_AUTH_PAYLOAD_STREAM_TRAILER},
    {{"STREAMING-UNSIGNED-PAYLOAD-TRAILER", 34}, LB_AUTH_PAYLOAD_STREAM_UNSIGNED},
};

static int payload_parse(struct lb_slice value, struct lb_auth_result *res) {
    if (lb_hex_decode(value, res->sha256, sizeof(res->sha256)) == 0) {
        res->payload = LB_AUTH_PAYLOAD_SHA256;
        return 0;
    }
    for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
        if (lb_slice_eq(value, payloads[i].value)) {
            res->payload = payloads[i].payload;
            return 0;
        }
    }
    if (lb_slice_starts_with(value, LB_S("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD")))
        return LB_ERR_UNSUPPORTED_SIGNATURE;
    return LB_ERR_INVALID_ARGUMENT;
}

/* ---- time ---- */

static int check_time(const struct auth_claim *claim, int64_t now_s) {
    int64_t age_s = now_s - claim->date_s;
    if (age_s < -AUTH_SKEW_MAX_S)
        return LB_ERR_TIME_SKEWED;
    if (claim->presigned)
        return age_s >= claim->expires_s ? LB_ERR_REQUEST_EXPIRED : 0;
    return age_s > AUTH_SKEW_MAX_S ? LB_ERR_TIME_SKEWED : 0;
}

/* ---- which headers are signed ---- */

static bool is_amz(struct lb_slice name) {
    return name.len > 6 && strncasecmp(name.ptr, "x-amz-", 6) == 0;
}

/* Is the header covered by the signature without being in SignedHeaders? */
static bool is_covered(const struct auth_claim *claim, const struct lb_auth_pair *header) {
    struct lb_slice value = lb_slice_trim(header->value);
    if (lb_slice_eq_nocase(header->name, LB_S("x-amz-content-sha256")))
        return lb_slice_eq(value, claim->payload);
    return lb_slice_eq_nocase(header->name, LB_S("x-amz-date")) &&
           lb_slice_eq(value, lb_slice(claim->date, AUTH_DATE_LEN));
}

static int check_signed_headers(const struct lb_auth_request *r, const struct auth_claim *claim,
                                const struct auth_signed *names) {
    if (!auth_signed_has(names, LB_S("host")))
        return LB_ERR_ACCESS_DENIED;
    for (size_t i = 0; i < r->headers_n; i++) {
        const struct lb_auth_pair *header = &r->headers[i];
        if (is_amz(header->name) && !auth_signed_has(names, header->name) &&
            !is_covered(claim, header))
            return LB_ERR_ACCESS_DENIED;
    }
    return 0;
}

/* ---- the signature ---- */

/* Compares the signature given with that of the canonical request and, failing that, with those of
 * the forms that take the path, the query or both as they were sent. Returns 0, SIGNATURE_MISMATCH,
 * INVALID_URI or -ENOMEM. */
static int check_signature(const struct lb_auth_request *r, const struct auth_claim *claim,
                           const struct auth_signed *names, const uint8_t *key,
                           struct lb_arena *arena) {
    struct lb_slice canonical = {0};
    uint8_t given[32], expected[32];
    if (lb_hex_decode(claim->signature, given, sizeof(given)) < 0)
        return LB_ERR_SIGNATURE_MISMATCH;
    for (unsigned raw = 0; raw <= AUTH_RAW_BOTH; raw++) {
        struct lb_slice form;
        char hex[65];
        int err = auth_canonical_request(r, names, claim->payload, raw, arena, &form);
        if (err < 0)
            return err;
        if (raw && lb_slice_eq(form, canonical))
            continue;
        auth_sha256_hex(form, hex);
        const struct auth_string string = {LB_S(AUTH_ALGORITHM),
                                           lb_slice(claim->date, AUTH_DATE_LEN), claim->scope,
                                           lb_slice(hex, 64)};
        auth_signature(key, &string, expected);
        if (lb_hash_eq(given, expected, sizeof(given)))
            return 0;
        if (!raw)
            canonical = form;
    }
    return LB_ERR_SIGNATURE_MISMATCH;
}

static void stream_begin(const struct auth_claim *claim, const uint8_t *key,
                         struct lb_auth_stream *stream) {
    uint8_t signature[32];
    memcpy(stream->signing_key, key, LB_AUTH_KEY_LEN);
    memcpy(stream->scope, claim->scope.ptr, claim->scope.len);
    stream->scope[claim->scope.len] = 0;
    memcpy(stream->date_basic, claim->date, AUTH_DATE_LEN + 1);
    if (lb_hex_decode(claim->signature, signature, sizeof(signature)) == 0)
        lb_hex_encode(signature, sizeof(signature), stream->previous);
}

/* Verifies the claim and says in *res whose it is. */
static int verify_claim(const struct lb_auth_request *r, const struct auth_claim *claim,
                        const struct lb_creds *creds, struct lb_auth_key_cache *cache,
                        struct lb_arena *arena, int64_t now_s, struct lb_auth_result *res) {
    struct auth_signed names;
    uint8_t key[LB_AUTH_KEY_LEN];
    const struct lb_cred *cred = lb_creds_find(creds, claim->access_key);
    if (!cred || cred->disabled)
        return LB_ERR_INVALID_ACCESS_KEY;
    if (cred->expires_s && now_s >= cred->expires_s)
        return LB_ERR_KEY_EXPIRED;
    if (auth_signed_split(claim->signed_headers, &names) < 0)
        return claim->presigned ? LB_ERR_AUTH_QUERY_MALFORMED : LB_ERR_AUTH_HEADER_MALFORMED;
    int err = check_signed_headers(r, claim, &names);
    if (err < 0)
        return err;
    bool cached = auth_key_cached(cache, cred, claim->scope, key);
    if (!cached)
        auth_key_derive(cred, claim->scope, key);
    err = check_signature(r, claim, &names, key, arena);
    if (err == 0) {
        if (!cached)
            auth_key_remember(cache, cred, claim->scope, key);
        if (res->payload == LB_AUTH_PAYLOAD_STREAM ||
            res->payload == LB_AUTH_PAYLOAD_STREAM_TRAILER)
            stream_begin(claim, key, &res->stream);
        res->cred = cred;
        res->presigned = claim->presigned;
    }
    explicit_bzero(key, sizeof(key));
    return err;
}

int lb_sigv4_verify(const struct lb_auth_request *r, const struct lb_creds *creds,
                    struct lb_auth_key_cache *cache, struct lb_arena *arena, int64_t now_s,
                    struct lb_auth_result *ret) {
    struct auth_headers headers;
    struct auth_claim claim;
    struct lb_auth_result res = {.payload = LB_AUTH_PAYLOAD_UNSIGNED};
    int claimed = 0;
    int err = auth_headers_find(r, &headers);
    if (err < 0)
        return err;
    if (creds) {
        claimed = auth_claim_parse(r, &headers, arena, &claim);
        if (claimed < 0)
            return claimed;
    }
    struct lb_slice payload = claimed ? claim.payload : headers.content_sha256;
    if (payload.ptr) {
        err = payload_parse(payload, &res);
        if (err < 0)
            return err;
    }
    if (claimed) {
        err = check_time(&claim, now_s);
        if (err == 0)
            err = verify_claim(r, &claim, creds, cache, arena, now_s, &res);
        if (err < 0)
            return err;
    }
    *ret = res;
    return 0;
}

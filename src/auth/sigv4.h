/* AWS Signature Version 4: verification of requests signed in the header or in the query
 * (presigned), and of the chunks of a streaming body. Sans I/O; time is an argument. It takes
 * slices, never HTTP types. Source: "Authenticating Requests (AWS Signature Version 4)", Amazon S3
 * API Reference. */
#ifndef LB_AUTH_SIGV4_H
#define LB_AUTH_SIGV4_H

#include "auth/creds.h"
#include "base/arena.h"
#include "base/slice.h"

struct lb_auth_pair {
    struct lb_slice name;
    struct lb_slice value;
};

/* The request as it came over the wire. All borrowed. */
struct lb_auth_request {
    struct lb_slice method;
    struct lb_slice path;  /* undecoded; canonicalised as S3 does: decoded once, encoded once, never
                              normalised */
    struct lb_slice query; /* undecoded */
    const struct lb_auth_pair *headers;
    size_t headers_n;
};

/* What x-amz-content-sha256 asks for. */
enum lb_auth_payload {
    LB_AUTH_PAYLOAD_UNSIGNED,        /* UNSIGNED-PAYLOAD, presigned, or no authentication */
    LB_AUTH_PAYLOAD_SHA256,          /* the body must hash to `sha256` */
    LB_AUTH_PAYLOAD_STREAM,          /* STREAMING-AWS4-HMAC-SHA256-PAYLOAD: chunks are signed */
    LB_AUTH_PAYLOAD_STREAM_TRAILER,  /* ...-TRAILER: and the trailer is signed too */
    LB_AUTH_PAYLOAD_STREAM_UNSIGNED, /* STREAMING-UNSIGNED-PAYLOAD-TRAILER */
};

#define LB_AUTH_KEY_LEN 32

/* The state from which the signatures of a streaming body are chained. */
struct lb_auth_stream {
    uint8_t signing_key[LB_AUTH_KEY_LEN];
    char previous[65]; /* hex signature of the request, then of each chunk */
    char scope[128];   /* date/region/s3/aws4_request */
    char date_basic[17];
};

struct lb_auth_result {
    const struct lb_cred *cred; /* whose key, borrowed from the set; NULL = anonymous (no
                                   credentials were sent) */
    bool presigned;
    enum lb_auth_payload payload;
    uint8_t sha256[32];
    struct lb_auth_stream stream;
};

/* Signing keys already derived, per credential, day and region; one per loop. Zero to begin. */
#define LB_AUTH_KEY_CACHE_N 64
struct lb_auth_key_cache {
    struct {
        char access_key[129];
        char scope[128];
        uint64_t cred_epoch;
        uint8_t key[LB_AUTH_KEY_LEN];
    } slots[LB_AUTH_KEY_CACHE_N];
};

/* Decides who sent the request. now_s: time of day. Returns 0 and fills *ret; or
 *   ACCESS_DENIED        a header that must be signed isn't (host and every x-amz-*, but see
 *                        verify.c); no valid date; X-Amz-Expires out of 0 to 604800
 *   AUTH_HEADER_MALFORMED, AUTH_QUERY_MALFORMED, INVALID_ACCESS_KEY, SIGNATURE_MISMATCH
 *   TIME_SKEWED          by over 15 minutes; a presigned URL from the future likewise
 *   REQUEST_EXPIRED      a presigned URL past its time
 *   KEY_EXPIRED          a key past its end (one that is disabled is not known)
 *   UNSUPPORTED_SIGNATURE  SigV2, SigV4A, other schemes
 *   INVALID_ARGUMENT     x-amz-content-sha256 of a form that is none; two mechanisms at once; a
 *                        header repeated that authentication reads
 *   MISSING_HEADER       x-amz-content-sha256
 *   INVALID_URI          more than 128 query parameters
 *   -ENOMEM              the arena is full
 * No credentials at all: 0 with cred NULL and payload still set by x-amz-content-sha256. creds NULL
 * means that authentication is off: nothing is verified, but payload is still filled (streaming
 * signatures then are not to be checked). Compares in constant time. */
int lb_sigv4_verify(const struct lb_auth_request *r, const struct lb_creds *creds,
                    struct lb_auth_key_cache *cache, struct lb_arena *arena, int64_t now_s,
                    struct lb_auth_result *ret);

/* Verifies the signature of one chunk (sha256: hash of its data) and advances the chain. Returns 0
 * or SIGNATURE_MISMATCH. */
int lb_sigv4_chunk(struct lb_auth_stream *s, const uint8_t sha256[32], struct lb_slice signature);

/* Verifies x-amz-trailer-signature over the trailer's canonical text ("name:value\n" each). Returns
 * 0 or SIGNATURE_MISMATCH. */
int lb_sigv4_trailer(struct lb_auth_stream *s, struct lb_slice canonical,
                     struct lb_slice signature);

/* Signs: what a client does. For the load generator and tests. The request must already hold host,
 * x-amz-date (date_basic) and x-amz-content-sha256 (payload), for these are sent too; signed are
 * host, content-md5, content-type and every x-amz-*. Sets *ret to the value of the Authorization
 * header, in the arena. Returns 0, -EINVAL for a date or region of no use, INVALID_URI or -ENOMEM.
 */
int lb_sigv4_sign(const struct lb_auth_request *r, const struct lb_cred *cred,
                  struct lb_slice region, struct lb_slice date_basic, struct lb_slice payload,
                  struct lb_arena *arena, struct lb_slice *ret);

#endif

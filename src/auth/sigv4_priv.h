/* What the files of SigV4 share: private to auth/ and its tests. The names are those of the S3 API
 * Reference: canonical request, string to sign, scope, signing key. */
#ifndef LB_AUTH_SIGV4_PRIV_H
#define LB_AUTH_SIGV4_PRIV_H

#include "auth/sigv4.h"
#include "base/civil.h"

#define AUTH_ALGORITHM "AWS4-HMAC-SHA256"
#define AUTH_TERMINATOR "aws4_request"
#define AUTH_SKEW_MAX_S 900
#define AUTH_EXPIRES_MAX_S 604800
#define AUTH_SIGNED_MAX 128              /* names in SignedHeaders */
#define AUTH_QUERY_MAX 128               /* parameters of a query */
#define AUTH_DATE_LEN LB_CIVIL_BASIC_LEN /* 20130524T000000Z */
#define AUTH_SCOPE_MAX 127               /* bytes that fit lb_auth_stream.scope */
#define AUTH_STRING_TO_SIGN_MAX 448      /* the longest is a chunk's: 364 */

/* ---- text.c: appending to memory of the arena ---- */

/* A text that grows in an arena; or, with arena NULL, one in memory that must be large enough. */
struct auth_text {
    struct lb_arena *arena;
    char *ptr;
    size_t len;
    size_t cap;
    bool failed; /* the arena had no more; what was added since is lost */
};

/* Makes room for n more bytes. Returns where they go, or NULL once the text has failed. */
char *auth_text_reserve(struct auth_text *t, size_t n);
void auth_text_add(struct auth_text *t, struct lb_slice s);
void auth_text_add_char(struct auth_text *t, char c);

/* Appends s decoded once (%XX; with plus also '+' as a space) and encoded once by UriEncode, with
 * '/' as it is when keep_slash. A '%' that begins no escape counts as itself. */
void auth_text_add_recoded(struct auth_text *t, struct lb_slice s, bool plus, bool keep_slash);

/* Appends s, a part of a query, decoded once. */
void auth_text_add_decoded(struct auth_text *t, struct lb_slice s);

static inline struct lb_slice auth_text_slice(const struct auth_text *t) {
    return lb_slice(t->ptr, t->len);
}

/* Is recoding s certain to change nothing: only A-Z a-z 0-9 - . _ ~ ? */
bool auth_is_unreserved(struct lb_slice s);

/* ---- canonical.c, query.c ---- */

/* The names of SignedHeaders, split. */
struct auth_signed {
    struct lb_slice text; /* as it stands in the canonical request */
    size_t n;
    struct lb_slice names[AUTH_SIGNED_MAX];
};

/* Which parts of the request enter the canonical request as they were sent, not recoded. */
enum { AUTH_RAW_PATH = 1, AUTH_RAW_QUERY = 2, AUTH_RAW_BOTH = 3 };

/* Splits "host;x-amz-date". Returns 0; -EINVAL for an empty list, an empty name, a name twice
 * (which would multiply a header's length in the canonical request) or too many. */
int auth_signed_split(struct lb_slice text, struct auth_signed *ret);
bool auth_signed_has(const struct auth_signed *s, struct lb_slice name);

/* The canonical request, in the arena. Returns 0; INVALID_URI for too many parameters; -ENOMEM. */
int auth_canonical_request(const struct lb_auth_request *r, const struct auth_signed *names,
                           struct lb_slice payload, unsigned raw, struct lb_arena *arena,
                           struct lb_slice *ret);

/* Appends the canonical query. Returns 0, INVALID_URI or -ENOMEM. */
int auth_canonical_query(struct auth_text *t, struct lb_slice query, bool raw);

/* The next parameter of a query, undecoded, cut off its front; false at the end. Empty ones are
 * skipped. */
bool auth_query_next(struct lb_slice *query, struct lb_auth_pair *ret);

/* ---- parse.c ---- */

/* The headers that authentication reads itself; ptr NULL when absent. */
struct auth_headers {
    struct lb_slice authorization;
    struct lb_slice amz_date;
    struct lb_slice date;
    struct lb_slice content_sha256;
};

/* What a request says of who signed it and how. Borrows from the request and the arena. */
struct auth_claim {
    bool presigned;
    struct lb_slice access_key;
    struct lb_slice scope; /* date/region/s3/aws4_request */
    struct lb_slice signed_headers;
    struct lb_slice signature;
    struct lb_slice payload;      /* the last line of the canonical request */
    char date[AUTH_DATE_LEN + 1]; /* of the signature */
    int64_t date_s;
    int64_t expires_s; /* presigned only */
};

/* Picks the headers out. Returns 0; INVALID_ARGUMENT when one that must be single is repeated. */
int auth_headers_find(const struct lb_auth_request *r, struct auth_headers *ret);

/* Reads the Authorization header or the presigned query. Returns 1; 0 without credentials; an error
 * of lb_sigv4_verify that shows in the form alone. */
int auth_claim_parse(const struct lb_auth_request *r, const struct auth_headers *h,
                     struct lb_arena *arena, struct auth_claim *ret);

/* ---- date.c ---- */

/* Parses 20130524T000000Z, or the date of a Date header. Writes the first form and the
 * seconds since 1970. Returns 0 or -EINVAL. */
int auth_date_parse(struct lb_slice s, char ret_basic[AUTH_DATE_LEN + 1], int64_t *ret_s);

/* ---- key.c ---- */

/* The signing key of a scope. */
void auth_key_derive(const struct lb_cred *cred, struct lb_slice scope,
                     uint8_t ret[LB_AUTH_KEY_LEN]);

/* The key if the cache has it, else false. */
bool auth_key_cached(const struct lb_auth_key_cache *c, const struct lb_cred *cred,
                     struct lb_slice scope, uint8_t ret[LB_AUTH_KEY_LEN]);

/* Remembers a key, forgetting the oldest of its set. Call it only once the key has verified a
 * signature: whoever can't sign can't evict. */
void auth_key_remember(struct lb_auth_key_cache *c, const struct lb_cred *cred,
                       struct lb_slice scope, const uint8_t key[LB_AUTH_KEY_LEN]);

/* ---- chunk.c ---- */

/* What a string to sign is made of. tail: all after the scope's line. */
struct auth_string {
    struct lb_slice algorithm;
    struct lb_slice date;
    struct lb_slice scope;
    struct lb_slice tail;
};

/* Writes the string to sign (at most AUTH_STRING_TO_SIGN_MAX bytes, which the parts must fit).
 * Returns its length. */
size_t auth_string_to_sign(const struct auth_string *s, char *ret);

/* The signature of a string to sign. */
void auth_signature(const uint8_t key[LB_AUTH_KEY_LEN], const struct auth_string *s,
                    uint8_t ret[32]);

/* The SHA-256 of data as 64 digits and a NUL. */
void auth_sha256_hex(struct lb_slice data, char ret[65]);

#endif

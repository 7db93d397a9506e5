/* Authorization header and presigned query. Input: a request line and headers, as in a vector's
 * `request`. Whatever they say, it must be decided without a fault; and what our signer signs, our
 * verifier must accept, then refuse with another method. */
#include "auth/sigv4.h"

#include <assert.h>

#define HEADERS_MAX 24
#define DATE LB_S("20130524T000000Z")
#define NOW_S 1369353600
#define UNSIGNED LB_S("UNSIGNED-PAYLOAD")

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct lb_cred cred = {
    .access_key = "AKIAIOSFODNN7EXAMPLE",
    .secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    .epoch = 1,
};
static struct lb_auth_pair headers[HEADERS_MAX];

static void parse(struct lb_slice text, struct lb_auth_request *r) {
    struct lb_slice line = lb_slice_cut(&text, '\n');
    r->method = lb_slice_cut(&line, ' ');
    line = lb_slice_cut(&line, ' ');
    r->path = lb_slice_cut(&line, '?');
    r->query = line;
    r->headers = headers;
    while (text.len && r->headers_n < HEADERS_MAX) {
        struct lb_slice value = lb_slice_cut(&text, '\n');
        struct lb_slice name = lb_slice_cut(&value, ':');
        headers[r->headers_n++] = (struct lb_auth_pair){name, value};
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct lb_auth_key_cache cache;
    struct lb_auth_request r = {0};
    struct lb_auth_result result;
    struct lb_slice authorization;
    struct lb_arena arena;
    struct lb_creds *creds = lb_creds_new();
    assert(creds && lb_creds_add(creds, &cred) == 0);
    lb_arena_init(&arena, 1u << 20);
    parse(lb_slice(data, size), &r);
    lb_sigv4_verify(&r, NULL, &cache, &arena, NOW_S, &result);
    if (lb_sigv4_verify(&r, creds, &cache, &arena, NOW_S, &result) == 0 && !result.cred) {
        headers[0] = (struct lb_auth_pair){LB_S("Host"), r.path};
        headers[1] = (struct lb_auth_pair){LB_S("x-amz-date"), DATE};
        headers[2] = (struct lb_auth_pair){LB_S("x-amz-content-sha256"), UNSIGNED};
        r.headers_n = 3;
        if (lb_sigv4_sign(&r, &cred, LB_S("r"), DATE, UNSIGNED, &arena, &authorization) == 0) {
            headers[r.headers_n++] = (struct lb_auth_pair){LB_S("Authorization"), authorization};
            assert(lb_sigv4_verify(&r, creds, &cache, &arena, NOW_S, &result) == 0 && result.cred);
            r.method = lb_slice_eq(r.method, LB_S("PUT")) ? LB_S("GET") : LB_S("PUT");
            assert(lb_sigv4_verify(&r, creds, &cache, &arena, NOW_S, &result) < 0);
        }
    }
    lb_arena_fini(&arena);
    lb_creds_unref(creds);
    return 0;
}

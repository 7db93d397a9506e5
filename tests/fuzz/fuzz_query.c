/* A query string and its escapes: what was decoded, encoded and decoded again is the same. */
#include <assert.h>
#include <stdlib.h>

#include "base/err.h"
#include "http/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(struct lb_arena *a, struct lb_slice s) {
    struct lb_buf b;
    struct lb_slice back;
    lb_buf_init(&b, 3 * s.len + 1);
    lb_uri_encode(&b, s, s.len % 2);
    assert(b.err == 0 && lb_uri_decode(a, lb_buf_slice(&b), true, &back) == 0);
    assert(lb_slice_eq(back, s));
    bool valid = lb_utf8_valid(s);
    /* The slow way to the same answer. */
    while (s.len && s.ptr[0] && lb_utf8_len(s))
        s = lb_slice_from(s, lb_utf8_len(s));
    assert(valid == (s.len == 0));
    lb_buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct lb_query q;
    struct lb_arena a;
    char *copy = malloc(size + 1);
    memcpy(copy, data, size);
    lb_arena_init(&a, (size_t)1 << 28);
    int rc = lb_query_parse(&a, lb_slice(copy, size), &q);
    assert(rc == 0 || rc == LB_ERR_INVALID_URI);
    if (rc == 0) {
        for (size_t i = 0; i < q.n; i++) {
            const struct lb_query_param *p = lb_query_find(&q, q.params[i].name);
            assert(p && p <= &q.params[i] && lb_slice_eq(p->name, q.params[i].name));
            check_round_trip(&a, q.params[i].name);
            check_round_trip(&a, q.params[i].value);
        }
    }
    check_round_trip(&a, lb_slice(copy, size));
    lb_arena_fini(&a);
    free(copy);
    return 0;
}

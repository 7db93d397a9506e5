/* HTTP's chunked coding: decoding in two pieces, split where the first byte says, equals decoding
 * whole. */
#include <assert.h>
#include <stdlib.h>

#include "base/err.h"
#include "http/chunked.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    int rc;
    size_t used, len;
    char *payload;
};

static void feed(struct lb_http_chunked *d, struct lb_slice piece, struct outcome *o) {
    size_t used, len;
    char *copy = malloc(piece.len + 1);
    memcpy(copy, piece.ptr, piece.len);
    o->rc = lb_http_chunked_decode(d, copy, piece.len, &used, &len);
    if (o->rc >= 0) {
        assert(len <= used && used <= piece.len && (o->rc == 1 || used == piece.len));
        memcpy(o->payload + o->len, copy, len);
        o->used += used;
        o->len += len;
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2)
        return 0;
    struct lb_slice in = lb_slice(data + 1, size - 1);
    size_t split = data[0] * in.len / 256;
    struct lb_http_chunked a = {0}, b = {0};
    struct outcome whole = {.payload = malloc(size)}, parts = {.payload = malloc(size)};
    feed(&a, in, &whole);
    feed(&b, lb_slice_first(in, split), &parts);
    if (parts.rc == 0)
        feed(&b, lb_slice_from(in, split), &parts);
    assert(parts.rc == whole.rc);
    assert(whole.rc >= 0 || whole.rc == LB_ERR_BAD_REQUEST);
    if (whole.rc >= 0) {
        assert(parts.used == whole.used && parts.len == whole.len);
        assert(memcmp(parts.payload, whole.payload, whole.len) == 0);
    }
    free(whole.payload);
    free(parts.payload);
    return 0;
}

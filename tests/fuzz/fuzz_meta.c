/* The meta blob: any bytes decode to a meta or to CORRUPT; what decodes encodes to what decodes to
 * the same. */
#include <assert.h>
#include <stdlib.h>

#include "base/err.h"
#include "s3/meta_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void encode(const struct s3_meta *m, struct lb_buf *b) {
    lb_buf_init(b, 1u << 20);
    s3_meta_encode(m, b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct lb_arena arena;
    struct s3_meta m;
    struct lb_buf once, twice;
    char *copy = malloc(size ? size : 1);
    if (!copy)
        return 0;
    if (size)
        memcpy(copy, data, size);
    lb_arena_init(&arena, 16u << 20);
    int err = s3_meta_decode(&arena, lb_slice(copy, size), &m);
    assert(err == 0 || err == LB_ERR_CORRUPT);
    if (err == 0) {
        encode(&m, &once);
        assert(once.err == 0);
        err = s3_meta_decode(&arena, lb_buf_slice(&once), &m);
        assert(err == 0);
        encode(&m, &twice);
        assert(lb_slice_eq(lb_buf_slice(&once), lb_buf_slice(&twice)));
        lb_buf_fini(&once);
        lb_buf_fini(&twice);
    }
    lb_arena_fini(&arena);
    free(copy);
    return 0;
}

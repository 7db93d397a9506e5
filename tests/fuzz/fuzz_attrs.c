/* Decoding attributes: what decodes encodes to the same bytes, and any slices lie in the input. */
#include <stdlib.h>

#include "engine/fs/fs_priv.h"

static void check_inside(struct lb_slice part, struct lb_slice whole) {
    if (part.len && (part.ptr < whole.ptr || part.ptr + part.len > whole.ptr + whole.len))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct lb_slice blob = lb_slice(data, size);
    struct fs_attrs a;
    struct lb_buf b;
    if (fs_attrs_decode(blob, &a) != 0)
        return 0;
    check_inside(a.key, blob);
    check_inside(a.meta, blob);
    lb_buf_init(&b, FS_ATTRS_MAX);
    fs_attrs_encode(&a, &b);
    if (b.err || !lb_slice_eq(lb_buf_slice(&b), blob))
        abort();
    lb_buf_fini(&b);
    return 0;
}

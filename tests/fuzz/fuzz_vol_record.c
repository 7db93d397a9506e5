/* Records, alone and in packs: any bytes are refused or decode to what lies in them; what decodes
 * encodes to the same bytes. */
#include <errno.h>
#include <stdlib.h>

#include "engine/volume/format_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct lb_slice part, struct lb_slice whole) {
    if (part.len && (part.ptr < whole.ptr || part.ptr + part.len > whole.ptr + whole.len))
        abort();
}

static void check(struct lb_slice bytes, const struct vol_record *r) {
    struct lb_buf again;
    check_inside(r->object.key, bytes);
    check_inside(r->object.meta, bytes);
    check_inside(r->body, bytes);
    check_inside(r->blob, bytes);
    check_inside(r->packed, bytes);
    if (r->body.len && r->body.ptr != bytes.ptr + r->body_at)
        abort();
    lb_buf_init(&again, 1u << 24);
    vol_record_encode(r, &again);
    if (again.err || !lb_slice_eq(lb_buf_slice(&again), lb_slice_first(bytes, r->len)))
        abort();
    lb_buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct lb_slice rest = lb_slice(data, size), was = rest;
    struct lb_arena arena;
    struct vol_record r;
    lb_arena_init(&arena, 1u << 24);
    while (vol_record_decode(&rest, &arena, &r) == 0) {
        check(was, &r);
        was = rest;
        lb_arena_reset(&arena);
    }
    rest = lb_slice(data, size);
    while (vol_pack_record(&rest, &arena, &r) == 0)
        lb_arena_reset(&arena);
    lb_arena_fini(&arena);
    return 0;
}

/* Packs and the extents of a checkpoint: any bytes are refused or decode, as they are and under a
 * right checksum; what decodes as a chunk seals to the same bytes. */
#include <stdlib.h>

#include "engine/volume/format_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t volume[16] = "sixteen bytes..";

/* Magic, volume and checksum as they should be. */
static void mend(char *bytes, size_t size, const char *magic, size_t volume_at, size_t used_at) {
    size_t used = vol_get_le(bytes + used_at, 4);
    memcpy(bytes, magic, 4);
    memcpy(bytes + volume_at, volume, sizeof(volume));
    if (used > size || used < 8)
        used = 8;
    vol_set_le(bytes + 4, vol_crc(lb_slice(bytes + 8, used - 8)), 4);
}

static void check(struct lb_slice bytes) {
    struct vol_chunk c;
    struct lb_slice body;
    struct lb_buf again;
    uint64_t seq;
    uint32_t records;
    if (vol_pack_decode(bytes, volume, &seq, &records, &body) == 0 &&
        (body.ptr < bytes.ptr || body.ptr + body.len > bytes.ptr + bytes.len))
        abort();
    if (vol_chunk_decode(bytes, volume, &c) != 0)
        return;
    lb_buf_init(&again, 1u << 24);
    lb_buf_append(&again, lb_slice_first(bytes, VOL_CHUNK_HEAD + c.body.len));
    vol_chunk_seal(&c, volume, &again);
    if (again.err || !lb_slice_eq(lb_buf_slice(&again), lb_slice_first(bytes, again.len)))
        abort();
    lb_buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t len = size + vol_padding(size, VOL_UNIT);
    char *bytes = calloc(1, len + 1);
    if (!bytes)
        return 0;
    if (size)
        memcpy(bytes, data, size);
    check(lb_slice(bytes, len));
    check(lb_slice(bytes, size));
    if (len) {
        mend(bytes, len, "LbC1", 8, 52);
        check(lb_slice(bytes, len));
        mend(bytes, len, "LbP1", 24, 16);
        check(lb_slice(bytes, len));
    }
    free(bytes);
    return 0;
}

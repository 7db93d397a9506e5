/* Batches of the journal: any bytes are refused or decode, as they are and under a right checksum;
 * what decodes seals to the same bytes. */
#include <stdlib.h>

#include "engine/volume/format_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Magic and checksum as they should be. */
static void mend(char *bytes, size_t size) {
    size_t used = vol_get_le(bytes + 32, 4);
    memcpy(bytes, "LbJ1", 4);
    if (used > size || used < VOL_BATCH_HEAD)
        used = VOL_BATCH_HEAD;
    vol_set_le(bytes + 4, vol_crc(lb_slice(bytes + 8, used - 8)), 4);
}

static void check(struct lb_slice bytes) {
    struct vol_batch b;
    struct lb_buf again;
    if (vol_batch_decode(bytes, &b) != 0)
        return;
    size_t used = VOL_BATCH_HEAD + b.body.len;
    lb_buf_init(&again, VOL_BATCH_MAX * VOL_UNIT);
    lb_buf_append(&again, lb_slice_first(bytes, used));
    vol_batch_seal(&b, &again);
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
    if (len)
        mend(bytes, len);
    check(lb_slice(bytes, len));
    free(bytes);
    return 0;
}

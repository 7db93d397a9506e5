/* The volume's superblock: any unit is refused or decodes, as it is and under a right checksum;
 * what decodes encodes to the same bytes. */
#include <errno.h>
#include <stdlib.h>

#include "engine/volume/format_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const uint8_t *unit) {
    struct vol_super s;
    uint8_t again[VOL_UNIT];
    int err = vol_super_decode(unit, &s);
    if (err && err != -EBADMSG && err != -EPROTONOSUPPORT)
        abort();
    if (err)
        return;
    vol_super_encode(&s, again);
    if (memcmp(unit, again, VOL_UNIT) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *unit = calloc(1, VOL_UNIT);
    if (!unit)
        return 0;
    if (size)
        memcpy(unit, data, size < VOL_UNIT ? size : VOL_UNIT);
    check(unit);
    vol_set_le(unit + 8, vol_crc(lb_slice(unit + 12, VOL_UNIT - 12)), 4);
    check(unit);
    free(unit);
    return 0;
}

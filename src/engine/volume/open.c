/* Formatting: an empty volume. */
#include <errno.h>
#include <stdlib.h>

#include "base/prng.h"
#include "engine/volume/format_priv.h"
#include "engine/volume/recover_priv.h"

void *vol_units_new(size_t units) {
    return aligned_alloc(VOL_UNIT, units * VOL_UNIT);
}

/* Makes [first, first + n) zero, writing only what is not. */
static int make_zero(struct vol_device *d, uint64_t first, uint64_t n, char *buf) {
    int err = 0;
    for (uint64_t step; err == 0 && n; first += step, n -= step) {
        step = n < VOL_BATCH_MAX ? n : VOL_BATCH_MAX;
        size_t len = (size_t)step * VOL_UNIT;
        err = d->ops->read_now(d, first, buf, len);
        if (err == 0 && !vol_is_zero(lb_slice(buf, len))) {
            memset(buf, 0, len);
            err = d->ops->write_now(d, first, buf, len);
        }
    }
    return err;
}

static int write_super(struct vol_device *d, const struct vol_super *s, uint64_t at, char *buf) {
    vol_super_encode(s, (uint8_t *)buf);
    int err = d->ops->write_now(d, at, buf, VOL_UNIT);
    return err ? err : d->ops->flush_now(d);
}

static int format(struct vol_device *d, int64_t now_ns, char *buf) {
    struct vol_super s = {
        .generation = 1,
        .units = d->units < VOL_UNITS_MAX ? d->units : VOL_UNITS_MAX,
        .created_ns = (uint64_t)now_ns,
        .epoch = 1,
        .replay_seq = 1,
        .next_seq = 1,
    };
    s.journal_units = vol_journal_units(s.units);
    lb_random_bytes(s.id, sizeof(s.id));
    lb_random_bytes(&s.replay_sum, sizeof(s.replay_sum));
    int err = make_zero(d, 0, VOL_JOURNAL_AT + s.journal_units, buf);
    if (err == 0)
        err = d->ops->flush_now(d);
    if (err == 0)
        err = write_super(d, &s, VOL_SUPER_A, buf);
    s.generation = 2;
    return err ? err : write_super(d, &s, VOL_SUPER_B, buf);
}

int vol_format(struct vol_device *d, int64_t now_ns, struct lb_buf *why) {
    char *buf = vol_units_new(VOL_BATCH_MAX);
    if (!buf)
        return -ENOMEM;
    int err = format(d, now_ns, buf);
    if (err)
        lb_buf_printf(why, "formatting the volume failed: %s", strerror(-err));
    free(buf);
    return err;
}

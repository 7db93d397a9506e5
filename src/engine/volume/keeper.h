/* What the parts of housekeeping share: keeper.c, checkpoint.c, pack.c, compact.c. All of it blocks
 * and runs on the keeper's thread (or the simulator's), one at a time, without the lock. */
#ifndef LB_ENGINE_VOLUME_KEEPER_H
#define LB_ENGINE_VOLUME_KEEPER_H

#include "engine/volume/volume_priv.h"

/* Memory for transfers, VOL_UNIT-aligned: a buffer that never grows. -ENOMEM. */
int vol_buf_aligned(struct lb_buf *b, size_t units);

/* Writes whole units. An error ends all writes until a restart. */
int vol_keep_write(struct vol_engine *v, uint64_t at, const void *buf, size_t len);
/* Makes all durable that was written before. An error ends all writes until a restart. */
int vol_keep_flush(struct vol_engine *v);

/* Moves the `records` staged longest (fewer when there are not so many) to packs. Returns 0 or an
 * error: what was moved before it stays so. */
int vol_pack_oldest(struct vol_engine *v, size_t records);
/* The same, while more than `bytes` are staged. */
int vol_pack_down(struct vol_engine *v, size_t bytes);

/* Stages the live records of one pack that is less than half alive, so that it can be freed.
 * Returns 1 when it did something, 0 when no pack is so, or an error. */
int vol_compact(struct vol_engine *v);

#endif

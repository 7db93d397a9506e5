/* What a start does, in parts: recover.c (superblocks, the whole), restore.c (the checkpoint),
 * replay.c (the journal), claim.c (the map of free units). All of it blocks, before the loops and
 * the keeper start, without the lock. An error comes with one line in why, but for -ENOMEM. */
#ifndef LB_ENGINE_VOLUME_RECOVER_PRIV_H
#define LB_ENGINE_VOLUME_RECOVER_PRIV_H

#include "engine/volume/volume_priv.h"

/* Memory for transfers. */
void *vol_units_new(size_t units);

/* Reads the checkpoint that v->super names into index, catalog and packs; its extents to
 * v->checkpoint. -EBADMSG also when memory is no more what it was before. */
int vol_restore(struct vol_engine *v, struct lb_buf *why);

/* Replays the journal from where v->super says, at least to position `least`, and sets v->journal.
 * *ret_epoch: the greatest of a batch (unchanged without one). */
int vol_replay_journal(struct vol_engine *v, uint64_t least, uint64_t *ret_epoch,
                       struct lb_buf *why);

/* Makes v->alloc from what is owned, and counts what of each pack is alive. */
int vol_claim_all(struct vol_engine *v, struct lb_buf *why);

/* Empties index, catalog and packs. */
int vol_forget(struct vol_engine *v);

#endif

/* Which units are free: extents in memory, by place and by length. Not on the volume: a start
 * builds it from what is owned. Sans I/O. One user at a time (the volume's lock). */
#ifndef LB_ENGINE_VOLUME_ALLOC_H
#define LB_ENGINE_VOLUME_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vol_extent {
    uint64_t first; /* unit */
    uint64_t n;     /* units; at most 2^32 - 1 where it is stored */
};

struct vol_alloc;

/* All of [first, first + n) free. Returns owned, or NULL without memory. */
struct vol_alloc *vol_alloc_new(uint64_t first, uint64_t n);
void vol_alloc_free(struct vol_alloc *a);

/* Marks units as owned (at a start). Returns 0; -EEXIST when one of them is owned already or none
 * of this volume's; -ENOMEM. */
int vol_alloc_claim(struct vol_alloc *a, struct vol_extent e);

/* Takes n units out, in as few extents as there are (best fit; a large request prefers to continue
 * `near`, 0: no wish), at most max of them, keeping `keep` units free in all. Returns their number;
 * -ENOSPC, or -EMLINK when it would take more extents, or -ENOMEM: then nothing is taken. */
int vol_alloc_take(struct vol_alloc *a, uint64_t n, uint64_t near, uint64_t keep,
                   struct vol_extent *ret, size_t max);

/* Gives units back at once: of what was never named by a record. */
void vol_alloc_give(struct vol_alloc *a, struct vol_extent e);

/* Gives units back that the record of batch `position` frees: they are taken again only after
 * vol_alloc_settled(position). Returns 0 or -ENOMEM (then they come back at the next start). */
int vol_alloc_give_later(struct vol_alloc *a, struct vol_extent e, uint64_t position);
void vol_alloc_settled(struct vol_alloc *a, uint64_t position);

/* Units free now, and those that come back later. */
uint64_t vol_alloc_free_units(const struct vol_alloc *a);
uint64_t vol_alloc_later_units(const struct vol_alloc *a);
/* The longest free extent. */
uint64_t vol_alloc_longest(const struct vol_alloc *a);
/* Checks the structure (for tests): 0 or -EBADMSG. */
int vol_alloc_check(const struct vol_alloc *a);

#endif

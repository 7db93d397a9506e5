/* Memory for the index: pieces of any size, each named by a 32-bit number, so that what points to
 * one takes 4 bytes. Number n is at n times 8 bytes; 0 is none. One user at a time. */
#ifndef LB_ENGINE_VOLUME_SLAB_H
#define LB_ENGINE_VOLUME_SLAB_H

#include <stddef.h>
#include <stdint.h>

#include "engine/volume/range.h"

#define SLAB_GRAIN 8u
#define SLAB_PIECE_MAX (1u << 30)
/* Sizes are rounded up to one of these classes: steps of 8 bytes up to 1 KiB, then each step an
 * eighth of the power of two below. */
#define SLAB_FINE_MAX 1024u
#define SLAB_FINE (SLAB_FINE_MAX / SLAB_GRAIN + 1)
#define SLAB_CLASSES (SLAB_FINE + 8 * 20)

struct vol_slab {
    struct vol_range range;
    size_t used;    /* bytes cut off so far */
    size_t dropped; /* of them, those whose memory went back to the system */
    uint32_t free[SLAB_CLASSES];
};

/* Reserves addresses, not memory. Returns 0 or -ENOMEM. */
int vol_slab_init(struct vol_slab *s);
void vol_slab_fini(struct vol_slab *s);

/* A piece of `size` bytes, 8-byte aligned; contents undefined. Returns its number, or 0 without
 * memory or when size is 0 or above SLAB_PIECE_MAX. */
uint32_t vol_slab_take(struct vol_slab *s, size_t size);
/* Gives it back; size as it was taken. Memory of small pieces is kept for others of the size; that
 * of large ones (128 KiB and more) goes back to the system. */
void vol_slab_give(struct vol_slab *s, uint32_t piece, size_t size);

/* Where a piece is, for as long as it is taken. */
static inline void *vol_slab_at(const struct vol_slab *s, uint32_t piece) {
    return s->range.base + (size_t)piece * SLAB_GRAIN;
}

/* Bytes held from the operating system. */
size_t vol_slab_memory(const struct vol_slab *s);

#endif

/* Memory for the index's entries: pieces of 8 to SLAB_PIECE_MAX bytes, each named by a 32-bit
 * number, so that what points to an entry takes 4 bytes. One user at a time. */
#ifndef LB_ENGINE_VOLUME_SLAB_H
#define LB_ENGINE_VOLUME_SLAB_H

#include <stddef.h>
#include <stdint.h>

#define SLAB_PIECE_MAX (1u << 17)

struct vol_slab;

/* Reserves addresses, not memory. Returns owned, or NULL. */
struct vol_slab *vol_slab_new(void);
void vol_slab_free(struct vol_slab *s);

/* A piece of `size` bytes, 8-byte aligned; contents undefined. Returns its number, or 0 without
 * memory or when size is above SLAB_PIECE_MAX. */
uint32_t vol_slab_take(struct vol_slab *s, size_t size);
/* Gives it back; size as it was taken. */
void vol_slab_give(struct vol_slab *s, uint32_t piece, size_t size);

/* Where a piece is, for as long as it is taken. */
void *vol_slab_at(const struct vol_slab *s, uint32_t piece);

/* Bytes held from the operating system. */
size_t vol_slab_memory(const struct vol_slab *s);

#endif

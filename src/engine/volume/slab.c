/* Pieces are cut one after the other from one range of addresses and come back to a list of their
 * size. */
#include "engine/volume/slab.h"

#include <string.h>

#include "base/asan.h"

#define RANGE ((size_t)SLAB_GRAIN << 32)
#define LARGE ((size_t)128 << 10)

int vol_slab_init(struct vol_slab *s) {
    *s = (struct vol_slab){.used = SLAB_GRAIN};
    return vol_range_init(&s->range, RANGE);
}

void vol_slab_fini(struct vol_slab *s) {
    if (s->range.map)
        lb_asan_unpoison(s->range.base, s->used);
    vol_range_fini(&s->range);
}

/* The class of a size, and the size that its pieces have. */
static unsigned class_of(size_t size, size_t *ret_size) {
    if (size <= SLAB_FINE_MAX) {
        size_t grains = (size + SLAB_GRAIN - 1) / SLAB_GRAIN;
        *ret_size = grains * SLAB_GRAIN;
        return (unsigned)grains;
    }
    unsigned power = 63 - (unsigned)__builtin_clzll(size - 1); /* 2^power < size <= 2^(power+1) */
    size_t step = ((size_t)1 << power) / 8;
    size_t steps = (size - ((size_t)1 << power) + step - 1) / step; /* 1 .. 8 */
    *ret_size = ((size_t)1 << power) + steps * step;
    return SLAB_FINE + (power - 10) * 8 + (unsigned)steps - 1;
}

/* Of a large piece that is not taken all whole pages behind the link to the next go back to the
 * system. */
static size_t large_pages(uint32_t piece, size_t whole, size_t *ret_at) {
    if (whole < LARGE)
        return 0;
    *ret_at = (size_t)piece * SLAB_GRAIN + sizeof(piece);
    return vol_range_pages(ret_at, whole - sizeof(piece));
}

uint32_t vol_slab_take(struct vol_slab *s, size_t size) {
    size_t whole;
    if (size == 0 || size > SLAB_PIECE_MAX)
        return 0;
    unsigned class = class_of(size, &whole);
    uint32_t piece = s->free[class];
    if (piece) {
        size_t at;
        s->dropped -= large_pages(piece, whole, &at);
        lb_asan_unpoison(vol_slab_at(s, piece), whole);
        memcpy(&s->free[class], vol_slab_at(s, piece), sizeof(piece));
        return piece;
    }
    if (whole > RANGE - s->used || vol_range_need(&s->range, s->used + whole) < 0)
        return 0;
    piece = (uint32_t)(s->used / SLAB_GRAIN);
    s->used += whole;
    return piece;
}

void vol_slab_give(struct vol_slab *s, uint32_t piece, size_t size) {
    size_t whole, at;
    unsigned class = class_of(size, &whole);
    memcpy(vol_slab_at(s, piece), &s->free[class], sizeof(piece));
    s->free[class] = piece;
    size_t pages = large_pages(piece, whole, &at);
    if (pages)
        vol_range_drop(&s->range, at, pages);
    s->dropped += pages;
    lb_asan_poison(vol_slab_at(s, piece), whole);
}

size_t vol_slab_memory(const struct vol_slab *s) {
    return s->used - s->dropped;
}

/* Pieces are cut one after the other from one range of addresses, which gets memory as it is
 * touched, and come back to a list of their size. Number n is at n times 8 bytes; 0 is none. */
#include "engine/volume/slab.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define GRAIN 8u
#define RANGE ((size_t)GRAIN << 32)
/* Sizes are rounded up to one of these classes: steps of 8 bytes up to 1 KiB, then each step an
 * eighth of the power of two below. */
#define FINE_MAX 1024u
#define FINE (FINE_MAX / GRAIN + 1)
#define CLASSES (FINE + 8 * 7)

struct vol_slab {
    char *base;
    size_t used; /* bytes cut off so far */
    uint32_t free[CLASSES];
};

struct vol_slab *vol_slab_new(void) {
    struct vol_slab *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->used = GRAIN;
    s->base = mmap(NULL, RANGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    if (s->base == MAP_FAILED) {
        free(s);
        return NULL;
    }
    return s;
}

void vol_slab_free(struct vol_slab *s) {
    if (!s)
        return;
    munmap(s->base, RANGE);
    free(s);
}

/* The class of a size, and the size that its pieces have. */
static unsigned class_of(size_t size, size_t *ret_size) {
    if (size <= FINE_MAX) {
        unsigned class = (unsigned)((size + GRAIN - 1) / GRAIN);
        *ret_size = (size_t) class * GRAIN;
        return class;
    }
    unsigned power = 63 - (unsigned)__builtin_clzll(size - 1); /* 2^power < size <= 2^(power+1) */
    size_t step = ((size_t)1 << power) / 8;
    size_t steps = (size - ((size_t)1 << power) + step - 1) / step; /* 1 .. 8 */
    *ret_size = ((size_t)1 << power) + steps * step;
    return FINE + (power - 10) * 8 + (unsigned)steps - 1;
}

void *vol_slab_at(const struct vol_slab *s, uint32_t piece) {
    return s->base + (size_t)piece * GRAIN;
}

uint32_t vol_slab_take(struct vol_slab *s, size_t size) {
    size_t whole;
    if (size == 0 || size > SLAB_PIECE_MAX)
        return 0;
    unsigned class = class_of(size, &whole);
    uint32_t piece = s->free[class];
    if (piece) {
        memcpy(&s->free[class], vol_slab_at(s, piece), sizeof(piece));
        return piece;
    }
    if (whole > RANGE - s->used)
        return 0;
    piece = (uint32_t)(s->used / GRAIN);
    s->used += whole;
    return piece;
}

void vol_slab_give(struct vol_slab *s, uint32_t piece, size_t size) {
    size_t whole;
    unsigned class = class_of(size, &whole);
    memcpy(vol_slab_at(s, piece), &s->free[class], sizeof(piece));
    s->free[class] = piece;
}

size_t vol_slab_memory(const struct vol_slab *s) {
    return s->used;
}

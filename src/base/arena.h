/* Memory with the life of a request: many small allocations, freed together.
 * Under AddressSanitizer every allocation is a malloc of its own, so that overruns are seen. */
#ifndef LB_BASE_ARENA_H
#define LB_BASE_ARENA_H

#include "base/budget.h"
#include "base/slice.h"

struct lb_arena_block;

struct lb_arena {
    struct lb_arena_block *blocks; /* newest first; the first one ever is kept over resets */
    size_t used;                   /* bytes handed out since the last reset */
    size_t size_max;
    struct lb_budget *budget; /* borrowed; pays for all but the first LB_BUDGET_FREE bytes. NULL:
                                 none. Set it before the first allocation */
};

/* An arena that hands out at most size_max bytes between resets. Allocates nothing yet. */
void lb_arena_init(struct lb_arena *a, size_t size_max);
void lb_arena_fini(struct lb_arena *a);

/* Frees all allocations; keeps one block so that the next request needs no malloc. */
void lb_arena_reset(struct lb_arena *a);

/* Uninitialised memory aligned to 16 bytes, or NULL beyond size_max, without budget or without
 * memory. */
void *lb_arena_alloc(struct lb_arena *a, size_t n);

/* Zeroed memory, or NULL. */
void *lb_arena_zalloc(struct lb_arena *a, size_t n);

/* A copy of s with a NUL behind it. Returns 0 or -ENOMEM. */
int lb_arena_copy(struct lb_arena *a, struct lb_slice s, struct lb_slice *ret);

/* A formatted string with a NUL behind it. Returns 0 or -ENOMEM. */
int lb_arena_printf(struct lb_arena *a, struct lb_slice *ret, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif

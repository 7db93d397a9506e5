/* A bound on memory that many share: arenas and buffers charge to it what they take from the C
 * library. Any thread may. */
#ifndef LB_BASE_BUDGET_H
#define LB_BASE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Bytes of an arena or a buffer that are not charged: a small request goes on when large ones have
 * taken everything. */
#define LB_BUDGET_FREE 16384u

struct lb_budget {
    size_t max;
    atomic_size_t used;
    atomic_size_t in_arenas; /* of these */
};

/* A budget of max bytes, none of them used. */
void lb_budget_init(struct lb_budget *b, size_t max);

/* Charges n bytes. Returns false, and has charged nothing, when they would pass the bound. */
bool lb_budget_take(struct lb_budget *b, size_t n);

/* Gives back n bytes that were charged. */
void lb_budget_give(struct lb_budget *b, size_t n);

/* The same for an arena that holds that many bytes already. All arenas together get half of the
 * budget: what they gather must still become replies, and requests that have gathered all there is
 * would end each other, every one of them. More than that gets only an arena that would then hold
 * the most of it: a request that is large by itself. */
bool lb_budget_take_arena(struct lb_budget *b, size_t n, size_t held);
void lb_budget_give_arena(struct lb_budget *b, size_t n);

#endif

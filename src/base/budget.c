#include "base/budget.h"

#include <assert.h>

void lb_budget_init(struct lb_budget *b, size_t max) {
    b->max = max;
    atomic_init(&b->used, 0);
    atomic_init(&b->in_arenas, 0);
}

bool lb_budget_take(struct lb_budget *b, size_t n) {
    size_t used = atomic_load_explicit(&b->used, memory_order_relaxed);
    do {
        if (n > b->max - used)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&b->used, &used, used + n, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

void lb_budget_give(struct lb_budget *b, size_t n) {
    size_t used = atomic_fetch_sub_explicit(&b->used, n, memory_order_relaxed);
    assert(used >= n);
}

bool lb_budget_take_arena(struct lb_budget *b, size_t n, size_t held) {
    size_t all = atomic_fetch_add_explicit(&b->in_arenas, n, memory_order_relaxed) + n;
    bool most = held + n > all / 2;
    if ((all <= b->max / 2 || most) && lb_budget_take(b, n))
        return true;
    atomic_fetch_sub_explicit(&b->in_arenas, n, memory_order_relaxed);
    return false;
}

void lb_budget_give_arena(struct lb_budget *b, size_t n) {
    atomic_fetch_sub_explicit(&b->in_arenas, n, memory_order_relaxed);
    lb_budget_give(b, n);
}

/* A number that one thread changes and any thread reads: plain loads and stores through relaxed
 * atomics, so that counting costs no more than it would in a single thread. Readers see every value
 * whole, and values of different counters at slightly different times. */
#ifndef LB_METRICS_COUNTER_H
#define LB_METRICS_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

/* All zero is a counter at 0. */
struct lb_counter {
    _Atomic uint64_t value;
};

/* Any thread. */
static inline uint64_t lb_counter_get(const struct lb_counter *c) {
    return atomic_load_explicit(&c->value, memory_order_relaxed);
}

/* The counter's one writer. Also for gauges. */
static inline void lb_counter_set(struct lb_counter *c, uint64_t v) {
    atomic_store_explicit(&c->value, v, memory_order_relaxed);
}

/* The counter's one writer. */
static inline void lb_counter_add(struct lb_counter *c, uint64_t n) {
    lb_counter_set(c, lb_counter_get(c) + n);
}

/* For a counter that several threads add to, and all of them this way. */
static inline void lb_counter_add_shared(struct lb_counter *c, uint64_t n) {
    atomic_fetch_add_explicit(&c->value, n, memory_order_relaxed);
}

#endif

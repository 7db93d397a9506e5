#include "metrics/histogram.h"

const uint32_t lb_histogram_bounds_us[LB_HISTOGRAM_BOUNDS] = {
    25,    50,     100,    250,    500,     1000,    2500,    5000,     10000,    25000,
    50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000, 60000000,
};

/* The first bucket that a time fits into, by halving: five comparisons. */
static unsigned bucket_of(uint64_t ns) {
    unsigned low = 0, high = LB_HISTOGRAM_BOUNDS;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (ns <= lb_histogram_bounds_us[middle] * (uint64_t)1000)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

void lb_histogram_add(struct lb_histogram *h, uint64_t ns) {
    lb_counter_add(&h->n[bucket_of(ns)], 1);
    lb_counter_add(&h->sum_ns, ns);
}

void lb_histogram_read(const struct lb_histogram *h, struct lb_histogram_sum *sum) {
    for (unsigned i = 0; i <= LB_HISTOGRAM_BOUNDS; i++)
        sum->n[i] += lb_counter_get(&h->n[i]);
    sum->sum_ns += lb_counter_get(&h->sum_ns);
}

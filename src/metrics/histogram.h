/* How long things take: counts in buckets of fixed bounds, three to a decade, from 25 us to a
 * minute. */
#ifndef LB_METRICS_HISTOGRAM_H
#define LB_METRICS_HISTOGRAM_H

#include "metrics/counter.h"

#define LB_HISTOGRAM_BOUNDS 20

/* Upper bounds of the buckets in microseconds, ascending; a time on a bound is below it. One more
 * bucket is above them all. */
extern const uint32_t lb_histogram_bounds_us[LB_HISTOGRAM_BOUNDS];

/* One writer, any readers. All zero is empty. */
struct lb_histogram {
    struct lb_counter n[LB_HISTOGRAM_BOUNDS + 1]; /* of each bucket alone, not cumulative */
    struct lb_counter sum_ns;
};

/* What was read of one or several histograms together. */
struct lb_histogram_sum {
    uint64_t n[LB_HISTOGRAM_BOUNDS + 1]; /* of each bucket alone, not cumulative */
    uint64_t sum_ns;
};

/* Counts one time. The histogram's one writer. */
void lb_histogram_add(struct lb_histogram *h, uint64_t ns);

/* Adds what h holds to *sum. Any thread. */
void lb_histogram_read(const struct lb_histogram *h, struct lb_histogram_sum *sum);

#endif

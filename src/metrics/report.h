/* All metrics as one text: what a scrape gets. */
#ifndef LB_METRICS_REPORT_H
#define LB_METRICS_REPORT_H

#include "base/budget.h"
#include "metrics/metrics.h"
#include "metrics/prom.h"
#include "metrics/storage.h"
#include "metrics/usage.h"

#define LB_REPORT_MAX (64u << 20) /* bytes of a text; the buffer's maximum */

/* What the operating system tells of the process. */
struct lb_process_stats {
    uint64_t cpu_ns;
    uint64_t resident_bytes, virtual_bytes;
    uint64_t fds, fds_max;
};

/* Everything is borrowed. */
struct lb_report {
    const struct lb_metrics *metrics;
    struct lb_usage *usage;                 /* NULL: nobody counts */
    const struct lb_storage_stats *storage; /* NULL: not known */
    const struct lb_budget *budget;         /* of memory for requests; NULL: none */
    const struct lb_process_stats *process; /* NULL: not known */
    const char *version, *engine, *io, *hash;
    int64_t now_ns;       /* time of day */
    uint64_t log_dropped; /* lines */
    bool ready;
};

/* Appends the text to out, whose error sticks. An operation that was never used has no lines. */
void lb_report_write(const struct lb_report *r, struct lb_buf *out);

#endif

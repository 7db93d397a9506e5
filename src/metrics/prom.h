/* Prometheus's text format, version 0.0.4. */
#ifndef LB_METRICS_PROM_H
#define LB_METRICS_PROM_H

#include "base/buf.h"
#include "metrics/histogram.h"

#define LB_PROM_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum lb_prom_type { LB_PROM_COUNTER, LB_PROM_GAUGE, LB_PROM_HISTOGRAM };

struct lb_prom_label {
    const char *name;      /* a valid one: [a-zA-Z_][a-zA-Z0-9_]* */
    struct lb_slice value; /* any bytes: escaped, and made UTF-8 */
};

/* The lines "# HELP" and "# TYPE" that begin a metric. name: a valid one. Everything here appends
 * to out, whose error sticks. */
void lb_prom_begin(struct lb_buf *out, const char *name, enum lb_prom_type type, const char *help);

/* One value: "name{label="value",...} v". */
void lb_prom_value(struct lb_buf *out, const char *name, const struct lb_prom_label *labels,
                   size_t labels_n, uint64_t v);

/* The same for a time: nanoseconds, written as seconds, exactly. */
void lb_prom_seconds(struct lb_buf *out, const char *name, const struct lb_prom_label *labels,
                     size_t labels_n, uint64_t ns);

/* A histogram of times: its cumulative buckets, sum and count. */
void lb_prom_histogram(struct lb_buf *out, const char *name, const struct lb_prom_label *labels,
                       size_t labels_n, const struct lb_histogram_sum *h);

#endif

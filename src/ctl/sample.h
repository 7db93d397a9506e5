/* What happened between two readings of the counters. */
#ifndef LB_CTL_SAMPLE_H
#define LB_CTL_SAMPLE_H

#include <lobosadmin.pb-c.h>
#include <stddef.h>
#include <stdint.h>

#define LB_SAMPLE_OPS_MAX 256

/* Figures are a second unless they say otherwise. */
struct lb_op_sample {
    const char *name; /* borrowed from the second reading */
    double requests, client_errors, server_errors;
    double bytes_in, bytes_out;
    double p50_us, p99_us; /* as lb_percentile */
};

struct lb_sample {
    double seconds; /* between the two readings */
    struct lb_op_sample total;
    double auth_failures, engine_reads, engine_writes, engine_syncs;
    double latency_max_us; /* what a latency of INFINITY is more than */
    unsigned ops_n;
    struct lb_op_sample
        ops[LB_SAMPLE_OPS_MAX]; /* most requests first; those without are left out */
};

/* Fills *ret. A counter that has become smaller counts from zero: the server was started anew. */
void lb_sample_diff(const Lobosadmin__Counters *before, const Lobosadmin__Counters *after,
                    struct lb_sample *ret);

#endif

#include "ctl/sample.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/format.h"

#define BOUNDS_MAX 256

static uint64_t grown(uint64_t before, uint64_t after) {
    return after >= before ? after - before : after;
}

static const Lobosadmin__Operation *find(const Lobosadmin__Counters *c, const char *name) {
    for (size_t i = 0; i < c->n_operations; i++) {
        if (strcmp(c->operations[i]->name, name) == 0)
            return c->operations[i];
    }
    return NULL;
}

/* Adds what an operation's latencies have grown by to counts (bounds + 1 of them). */
static void add_latency(const Lobosadmin__Operation *before, const Lobosadmin__Operation *after,
                        size_t bounds, uint64_t *counts) {
    for (size_t i = 0; i <= bounds && i < after->n_latency; i++) {
        uint64_t old = before && i < before->n_latency ? before->latency[i] : 0;
        counts[i] += grown(old, after->latency[i]);
    }
}

static void set_percentiles(struct lb_op_sample *s, const Lobosadmin__Counters *c, size_t bounds,
                            const uint64_t *counts) {
    s->p50_us = lb_percentile(c->latency_us, counts, bounds, 0.5);
    s->p99_us = lb_percentile(c->latency_us, counts, bounds, 0.99);
}

static void diff_op(const Lobosadmin__Operation *before, const Lobosadmin__Operation *after,
                    double seconds, struct lb_op_sample *ret) {
    static const Lobosadmin__Operation none = LOBOSADMIN__OPERATION__INIT;
    const Lobosadmin__Operation *b = before ? before : &none;
    ret->name = after->name;
    ret->requests = (double)grown(b->requests, after->requests) / seconds;
    ret->client_errors = (double)grown(b->client_errors, after->client_errors) / seconds;
    ret->server_errors = (double)grown(b->server_errors, after->server_errors) / seconds;
    ret->bytes_in = (double)grown(b->bytes_in, after->bytes_in) / seconds;
    ret->bytes_out = (double)grown(b->bytes_out, after->bytes_out) / seconds;
}

static void add(struct lb_op_sample *total, const struct lb_op_sample *op) {
    total->requests += op->requests;
    total->client_errors += op->client_errors;
    total->server_errors += op->server_errors;
    total->bytes_in += op->bytes_in;
    total->bytes_out += op->bytes_out;
}

static int by_requests(const void *a, const void *b) {
    const struct lb_op_sample *x = a, *y = b;
    if (x->requests != y->requests)
        return x->requests < y->requests ? 1 : -1;
    return strcmp(x->name, y->name);
}

void lb_sample_diff(const Lobosadmin__Counters *before, const Lobosadmin__Counters *after,
                    struct lb_sample *ret) {
    size_t bounds = after->n_latency_us < BOUNDS_MAX ? after->n_latency_us : BOUNDS_MAX;
    uint64_t all[BOUNDS_MAX + 1] = {0};
    double seconds = (double)(after->time_us - before->time_us) / 1e6;
    *ret = (struct lb_sample){.seconds = seconds > 0.001 ? seconds : 0.001};
    for (size_t i = 0; i < after->n_operations; i++) {
        const Lobosadmin__Operation *op = after->operations[i], *old = find(before, op->name);
        uint64_t counts[BOUNDS_MAX + 1] = {0};
        struct lb_op_sample s;
        diff_op(old, op, ret->seconds, &s);
        add(&ret->total, &s);
        add_latency(old, op, bounds, counts);
        add_latency(old, op, bounds, all);
        set_percentiles(&s, after, bounds, counts);
        if (s.requests > 0 && ret->ops_n < LB_SAMPLE_OPS_MAX)
            ret->ops[ret->ops_n++] = s;
    }
    qsort(ret->ops, ret->ops_n, sizeof(ret->ops[0]), by_requests);
    ret->total.name = "all";
    set_percentiles(&ret->total, after, bounds, all);
    ret->latency_max_us = bounds > 0 ? (double)after->latency_us[bounds - 1] : 0;
    ret->auth_failures = (double)grown(before->auth_failures, after->auth_failures) / ret->seconds;
    ret->engine_reads = (double)grown(before->engine_reads, after->engine_reads) / ret->seconds;
    ret->engine_writes = (double)grown(before->engine_writes, after->engine_writes) / ret->seconds;
    ret->engine_syncs = (double)grown(before->engine_syncs, after->engine_syncs) / ret->seconds;
}

/* Counting requests, and adding the loops up. */
#include "metrics/metrics.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

/* The statuses that are told apart, the frequent ones first: they are found by going along. */
static const uint16_t statuses[] = {
    200, 206, 404, 204, 304, 403, 400, 412, 409, 503, 500, 416, 405, 501,
    507, 411, 413, 429, 431, 505, 100, 201, 301, 307, 401, 408, 415,
};
#define STATUSES_N (sizeof(statuses) / sizeof(statuses[0]))
_Static_assert(STATUSES_N <= LB_METRICS_STATUSES_MAX, "each has its place");

static size_t status_at(int status) {
    for (size_t i = 0; i < STATUSES_N; i++) {
        if (statuses[i] == status)
            return i;
    }
    return LB_METRICS_STATUSES_MAX;
}

int lb_metrics_status(size_t i) {
    return i < STATUSES_N ? statuses[i] : 0;
}

const char *lb_auth_failure_name(enum lb_auth_failure f) {
    static const char *const names[] = {
#define LB_AUTH_FAILURE(name, reason) reason,
#include "metrics/auth_failures.def"
#undef LB_AUTH_FAILURE
    };
    return names[f];
}

enum lb_auth_failure lb_auth_failure_of(int err) {
    switch (err) {
    case LB_ERR_INVALID_ACCESS_KEY:
        return LB_AUTH_FAILURE_UNKNOWN_KEY;
    case LB_ERR_SIGNATURE_MISMATCH:
        return LB_AUTH_FAILURE_SIGNATURE;
    case LB_ERR_TIME_SKEWED:
        return LB_AUTH_FAILURE_CLOCK_SKEW;
    case LB_ERR_REQUEST_EXPIRED:
    case LB_ERR_KEY_EXPIRED:
        return LB_AUTH_FAILURE_EXPIRED;
    case LB_ERR_AUTH_HEADER_MALFORMED:
    case LB_ERR_AUTH_QUERY_MALFORMED:
        return LB_AUTH_FAILURE_MALFORMED;
    case LB_ERR_UNSUPPORTED_SIGNATURE:
        return LB_AUTH_FAILURE_UNSUPPORTED;
    case LB_ERR_AUTH_THROTTLED:
        return LB_AUTH_FAILURE_THROTTLED;
    default:
        return LB_AUTH_FAILURES;
    }
}

void lb_metrics_request(struct lb_loop_metrics *l, const struct lb_request_metrics *r) {
    struct lb_op_metrics *op = &l->ops[r->op < LB_METRICS_OPS_MAX ? r->op : LB_METRICS_NO_OP];
    lb_counter_add(&op->status[status_at(r->status)], 1);
    lb_counter_add(&op->bytes_in, r->bytes_in);
    lb_counter_add(&op->bytes_out, r->bytes_out);
    lb_histogram_add(&op->first_byte, r->first_byte_ns);
    lb_histogram_add(&op->whole, r->whole_ns);
    if (r->err) {
        enum lb_auth_failure f = lb_auth_failure_of(r->err);
        if (f < LB_AUTH_FAILURES)
            lb_counter_add(&l->auth_failures[f], 1);
    }
}

struct lb_metrics *lb_metrics_new(unsigned loops_n, const char *const *op_names, size_t ops_n,
                                  int64_t started_ns) {
    struct lb_metrics *m = calloc(1, sizeof(*m));
    size_t size = loops_n * sizeof(m->loops[0]);
    if (!m)
        return NULL;
    m->loops = aligned_alloc(LB_METRICS_LINE, size);
    if (!m->loops) {
        free(m);
        return NULL;
    }
    memset(m->loops, 0, size);
    m->loops_n = loops_n;
    m->started_ns = started_ns;
    m->op_names[m->ops_n++] = "none";
    for (size_t i = 0; i < ops_n && m->ops_n < LB_METRICS_OPS_MAX; i++)
        m->op_names[m->ops_n++] = op_names[i];
    return m;
}

void lb_metrics_free(struct lb_metrics *m) {
    if (!m)
        return;
    free(m->loops);
    free(m);
}

void lb_metrics_set_state(struct lb_metrics *m, enum lb_server_state state) {
    atomic_store(&m->state, (int)state);
}

enum lb_server_state lb_metrics_state(const struct lb_metrics *m) {
    return (enum lb_server_state)atomic_load(&m->state);
}

/* ---- reading ---- */

static void add_op(const struct lb_op_metrics *op, struct lb_op_sum *sum) {
    for (size_t i = 0; i <= LB_METRICS_STATUSES_MAX; i++)
        sum->status[i] += lb_counter_get(&op->status[i]);
    sum->bytes_in += lb_counter_get(&op->bytes_in);
    sum->bytes_out += lb_counter_get(&op->bytes_out);
    lb_histogram_read(&op->first_byte, &sum->first_byte);
    lb_histogram_read(&op->whole, &sum->whole);
}

bool lb_metrics_op(const struct lb_metrics *m, size_t i, struct lb_op_sum *ret) {
    for (size_t before = 0; before < i; before++) {
        if (strcmp(m->op_names[before], m->op_names[i]) == 0)
            return false;
    }
    *ret = (struct lb_op_sum){.name = m->op_names[i]};
    for (size_t at = i; at < m->ops_n; at++) {
        if (strcmp(m->op_names[at], ret->name) != 0)
            continue;
        for (unsigned loop = 0; loop < m->loops_n; loop++)
            add_op(&m->loops[loop].ops[at], ret);
    }
    for (size_t s = 0; s <= LB_METRICS_STATUSES_MAX; s++) {
        int status = lb_metrics_status(s);
        ret->requests += ret->status[s];
        if (status >= 400 && status < 500)
            ret->client_errors += ret->status[s];
        else if (status >= 500)
            ret->server_errors += ret->status[s];
    }
    return true;
}

void lb_metrics_sum(const struct lb_metrics *m, struct lb_metrics_sum *ret) {
    *ret = (struct lb_metrics_sum){0};
    for (unsigned i = 0; i < m->loops_n; i++) {
        const struct lb_loop_metrics *l = &m->loops[i];
        ret->connections += lb_counter_get(&l->connections);
        ret->in_flight += lb_counter_get(&l->in_flight);
        ret->pool_used += lb_counter_get(&l->pool_used);
        ret->pool_held += lb_counter_get(&l->pool_held);
        ret->pool_max += lb_counter_get(&l->pool_max);
        ret->accepted += lb_counter_get(&l->accepted);
        ret->refused += lb_counter_get(&l->refused);
        ret->slow += lb_counter_get(&l->slow);
        for (size_t f = 0; f < LB_AUTH_FAILURES; f++)
            ret->auth_failures[f] += lb_counter_get(&l->auth_failures[f]);
    }
}

#include "metrics/report.h"

enum metric {
#define LB_METRIC(id, name, type, labels, help) M_##id,
#include "metrics/metrics.def"
#undef LB_METRIC
};

static const struct {
    const char *name;
    enum lb_prom_type type;
    const char *help;
} infos[] = {
#define LB_METRIC(id, name, type, labels, help) {name, LB_PROM_##type, help},
#include "metrics/metrics.def"
#undef LB_METRIC
};

static void begin(struct lb_buf *out, enum metric m) {
    lb_prom_begin(out, infos[m].name, infos[m].type, infos[m].help);
}

/* A metric of one value without labels. */
static void single(struct lb_buf *out, enum metric m, uint64_t v) {
    begin(out, m);
    lb_prom_value(out, infos[m].name, NULL, 0, v);
}

static void single_seconds(struct lb_buf *out, enum metric m, int64_t ns) {
    begin(out, m);
    lb_prom_seconds(out, infos[m].name, NULL, 0, ns > 0 ? (uint64_t)ns : 0);
}

static void write_server(const struct lb_report *r, struct lb_buf *out) {
    const struct lb_prom_label labels[] = {
        {"version", lb_slice_cstr(r->version)},
        {"engine", lb_slice_cstr(r->engine)},
        {"io", lb_slice_cstr(r->io)},
        {"hash", lb_slice_cstr(r->hash)},
    };
    begin(out, M_BUILD_INFO);
    lb_prom_value(out, infos[M_BUILD_INFO].name, labels, 4, 1);
    single_seconds(out, M_UPTIME, r->now_ns - r->metrics->started_ns);
    single(out, M_READY, r->ready);
    single(out, M_THREADS, r->metrics->loops_n);
    single(out, M_LOG_DROPPED, r->log_dropped);
}

/* ---- operations ---- */

struct op_sums {
    struct lb_op_sum ops[LB_METRICS_OPS_MAX]; /* those that were used */
    size_t n;
};

static struct lb_prom_label op_label(const struct lb_op_sum *op) {
    return (struct lb_prom_label){"operation", lb_slice_cstr(op->name)};
}

static void write_statuses(const struct lb_op_sum *op, struct lb_buf *out) {
    for (size_t i = 0; i <= LB_METRICS_STATUSES_MAX; i++) {
        int status = lb_metrics_status(i);
        char text[4] = {(char)('0' + status / 100 % 10), (char)('0' + status / 10 % 10),
                        (char)('0' + status % 10), 0};
        const struct lb_prom_label labels[] = {op_label(op),
                                               {"status", lb_slice_cstr(status ? text : "other")}};
        if (op->status[i])
            lb_prom_value(out, infos[M_REQUESTS].name, labels, 2, op->status[i]);
    }
}

static void write_op_bytes(const struct op_sums *sums, struct lb_buf *out) {
    begin(out, M_REQUEST_BYTES);
    for (size_t i = 0; i < sums->n; i++) {
        const struct lb_prom_label label = op_label(&sums->ops[i]);
        lb_prom_value(out, infos[M_REQUEST_BYTES].name, &label, 1, sums->ops[i].bytes_in);
    }
    begin(out, M_RESPONSE_BYTES);
    for (size_t i = 0; i < sums->n; i++) {
        const struct lb_prom_label label = op_label(&sums->ops[i]);
        lb_prom_value(out, infos[M_RESPONSE_BYTES].name, &label, 1, sums->ops[i].bytes_out);
    }
}

static void write_op_times(const struct op_sums *sums, struct lb_buf *out) {
    begin(out, M_FIRST_BYTE);
    for (size_t i = 0; i < sums->n; i++) {
        const struct lb_prom_label label = op_label(&sums->ops[i]);
        lb_prom_histogram(out, infos[M_FIRST_BYTE].name, &label, 1, &sums->ops[i].first_byte);
    }
    begin(out, M_DURATION);
    for (size_t i = 0; i < sums->n; i++) {
        const struct lb_prom_label label = op_label(&sums->ops[i]);
        lb_prom_histogram(out, infos[M_DURATION].name, &label, 1, &sums->ops[i].whole);
    }
}

static void write_ops(const struct lb_metrics *m, struct lb_buf *out) {
    struct op_sums sums;
    sums.n = 0;
    for (size_t i = 0; i < m->ops_n; i++) {
        struct lb_op_sum *op = &sums.ops[sums.n];
        if (lb_metrics_op(m, i, op) && op->requests)
            sums.n++;
    }
    begin(out, M_REQUESTS);
    for (size_t i = 0; i < sums.n; i++)
        write_statuses(&sums.ops[i], out);
    write_op_bytes(&sums, out);
    write_op_times(&sums, out);
}

/* ---- the rest ---- */

static void write_loops(const struct lb_metrics *m, struct lb_buf *out) {
    struct lb_metrics_sum sum;
    lb_metrics_sum(m, &sum);
    single(out, M_IN_FLIGHT, sum.in_flight);
    single(out, M_SLOW, sum.slow);
    single(out, M_CONNECTIONS, sum.connections);
    single(out, M_ACCEPTED, sum.accepted);
    single(out, M_REFUSED, sum.refused);
    single(out, M_BUFFER_USED, sum.pool_used);
    single(out, M_BUFFER_HELD, sum.pool_held);
    single(out, M_BUFFER_MAX, sum.pool_max);
    begin(out, M_AUTH_FAILURES);
    for (unsigned f = 0; f < LB_AUTH_FAILURES; f++) {
        const struct lb_prom_label label = {
            "reason", lb_slice_cstr(lb_auth_failure_name((enum lb_auth_failure)f))};
        lb_prom_value(out, infos[M_AUTH_FAILURES].name, &label, 1, sum.auth_failures[f]);
    }
}

static void write_storage(const struct lb_storage_stats *s, struct lb_buf *out) {
    if (s->objects != LB_STORAGE_UNKNOWN)
        single(out, M_STORAGE_OBJECTS, s->objects);
    if (s->object_bytes != LB_STORAGE_UNKNOWN)
        single(out, M_STORAGE_OBJECT_BYTES, s->object_bytes);
    single(out, M_STORAGE_SIZE, s->size_bytes);
    single(out, M_STORAGE_FREE, s->free_bytes);
    single(out, M_STORAGE_READS, s->reads);
    single(out, M_STORAGE_READ_BYTES, s->read_bytes);
    single(out, M_STORAGE_WRITES, s->writes);
    single(out, M_STORAGE_WRITTEN_BYTES, s->write_bytes);
    single(out, M_STORAGE_SYNCS, s->syncs);
    single(out, M_STORAGE_SYNCED, s->synced);
    single(out, M_STORAGE_QUEUE, s->queue);
    single(out, M_STORAGE_READ_ONLY, s->read_only);
}

struct buckets {
    struct lb_buf *out;
    enum metric metric;
};

static void write_bucket(void *ctx, const struct lb_bucket_usage *b) {
    const struct buckets *w = ctx;
    const struct lb_prom_label label = {"bucket", b->bucket};
    uint64_t v = w->metric == M_BUCKET_OBJECTS ? b->objects
                 : w->metric == M_BUCKET_BYTES ? b->bytes
                                               : (uint64_t)b->counted_s;
    lb_prom_value(w->out, infos[w->metric].name, &label, 1, v);
}

static void write_buckets(struct lb_usage *u, struct lb_buf *out) {
    static const enum metric metrics[] = {M_BUCKET_OBJECTS, M_BUCKET_BYTES, M_BUCKET_COUNTED};
    for (size_t i = 0; i < 3; i++) {
        struct buckets w = {out, metrics[i]};
        begin(out, w.metric);
        lb_usage_each(u, write_bucket, &w);
    }
}

static void write_process(const struct lb_process_stats *p, struct lb_buf *out) {
    single_seconds(out, M_PROCESS_CPU, (int64_t)p->cpu_ns);
    single(out, M_PROCESS_RESIDENT, p->resident_bytes);
    single(out, M_PROCESS_VIRTUAL, p->virtual_bytes);
    single(out, M_PROCESS_FDS, p->fds);
    single(out, M_PROCESS_FDS_MAX, p->fds_max);
}

void lb_report_write(const struct lb_report *r, struct lb_buf *out) {
    write_server(r, out);
    write_ops(r->metrics, out);
    write_loops(r->metrics, out);
    if (r->budget) {
        single(out, M_REQUEST_USED, atomic_load_explicit(&r->budget->used, memory_order_relaxed));
        single(out, M_REQUEST_MAX, r->budget->max);
    }
    if (r->storage)
        write_storage(r->storage, out);
    if (r->usage)
        write_buckets(r->usage, out);
    single_seconds(out, M_PROCESS_START, r->metrics->started_ns);
    if (r->process)
        write_process(r->process, out);
}

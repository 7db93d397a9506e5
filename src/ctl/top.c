/* lobosctl top: what the server does, a sample every few seconds. */
#include <math.h>
#include <time.h>
#include <unistd.h>

#include "ctl/commands.h"
#include "ctl/format.h"
#include "ctl/sample.h"
#include "ctl/screen.h"

#define INTERVAL_DEFAULT_S 2
#define INTERVAL_MAX_S 3600
#define HEAD_ROWS 8 /* above the first operation */

struct top {
    Lobosadmin__Status *status;
    Lobosadmin__Counters *before, *after;
    uint64_t interval_s;
};

/* ---- reading ---- */

static int read_once(struct lb_ctl *c, struct top *t) {
    Lobosadmin__Nothing request = LOBOSADMIN__NOTHING__INIT;
    Lobosadmin__Status *status;
    Lobosadmin__Counters *counters;
    int err = lb_ctl_call(c, "GetStatus", &request.base, &status);
    if (err)
        return err;
    err = lb_ctl_call(c, "GetCounters", &request.base, &counters);
    if (err) {
        lb_message_free(&status->base);
        return err;
    }
    if (t->status)
        lb_message_free(&t->status->base);
    if (t->before)
        lb_message_free(&t->before->base);
    t->status = status;
    t->before = t->after;
    t->after = counters;
    return 0;
}

static void top_free(struct top *t) {
    if (t->status)
        lb_message_free(&t->status->base);
    if (t->before)
        lb_message_free(&t->before->base);
    if (t->after)
        lb_message_free(&t->after->base);
}

/* ---- showing ---- */

static char *bytes_rate(double per_s, char *ret) {
    return per_s > 0 ? lb_format_bytes((uint64_t)per_s, ret) : strcpy(ret, "0");
}

/* A latency cell; above the last bound: "> 60.0s". */
static void latency_cell(struct lb_table *t, double us, double max_us) {
    char text[LB_FORMAT_MAX];
    if (isinf(us))
        lb_table_cellf(t, ">%s", lb_format_latency(max_us, text));
    else
        lb_table_cell(t, lb_format_latency(us, text));
}

static void op_row(struct lb_table *t, const struct lb_op_sample *op, double max_us) {
    char text[LB_FORMAT_MAX];
    lb_table_cell(t, op->name);
    lb_table_cell(t, lb_format_rate(op->requests, text));
    lb_table_cell(t, lb_format_rate(op->client_errors, text));
    lb_table_cell(t, lb_format_rate(op->server_errors, text));
    lb_table_cell(t, bytes_rate(op->bytes_in + op->bytes_out, text));
    latency_cell(t, op->p50_us, max_us);
    latency_cell(t, op->p99_us, max_us);
}

static void summary(const struct top *t, const struct lb_sample *s, struct lb_buf *out) {
    const Lobosadmin__Status *st = t->status;
    char a[LB_FORMAT_MAX], b[LB_FORMAT_MAX], c[LB_FORMAT_MAX], d[LB_FORMAT_MAX];
    lb_buf_printf(out, "lobos %s at %s, %s, up %s%s\n", st->version, st->address, st->engine,
                  lb_format_duration(time(NULL) - st->started, a),
                  st->draining    ? ", draining"
                  : st->read_only ? ", read-only"
                                  : "");
    lb_buf_printf(out, "%s connections, %s in progress, authentication failures %s/s\n",
                  lb_format_count(t->after->connections, a),
                  lb_format_count(t->after->in_flight, b), lb_format_rate(s->auth_failures, c));
    lb_buf_printf(out, "bodies: %s/s in, %s/s out\n", bytes_rate(s->total.bytes_in, a),
                  bytes_rate(s->total.bytes_out, b));
    lb_buf_printf(out, "storage: %s/s read, %s/s written, %s syncs/s, %s free\n",
                  bytes_rate(s->engine_reads, a), bytes_rate(s->engine_writes, b),
                  lb_format_rate(s->engine_syncs, c), lb_format_bytes(st->storage_free, d));
    lb_buf_printf(out, "buffers: %s of %s\n\n", lb_format_bytes(st->memory_used, a),
                  lb_format_bytes(st->memory_max, b));
}

/* At most rows lines of operations, and one for all. */
static void render(const struct top *t, unsigned rows, struct lb_buf *out) {
    static const char *const heads[] = {"OPERATION", "REQ/S", "4XX/S", "5XX/S",
                                        "BYTES/S",   "P50",   "P99"};
    struct lb_sample s;
    struct lb_table table;
    lb_sample_diff(t->before, t->after, &s);
    summary(t, &s, out);
    lb_table_init(&table, heads, "lrrrrrr");
    op_row(&table, &s.total, s.latency_max_us);
    for (unsigned i = 0; i < s.ops_n && i < rows; i++)
        op_row(&table, &s.ops[i], s.latency_max_us);
    lb_table_print(&table, out);
    lb_table_fini(&table);
}

static void op_json(struct lb_json *doc, const struct lb_op_sample *op) {
    lb_json_str(doc, "name", op->name);
    lb_json_double(doc, "requests_per_s", op->requests);
    lb_json_double(doc, "client_errors_per_s", op->client_errors);
    lb_json_double(doc, "server_errors_per_s", op->server_errors);
    lb_json_double(doc, "bytes_in_per_s", op->bytes_in);
    lb_json_double(doc, "bytes_out_per_s", op->bytes_out);
    lb_json_double(doc, "p50_us", op->p50_us < 0 ? NAN : op->p50_us);
    lb_json_double(doc, "p99_us", op->p99_us < 0 ? NAN : op->p99_us);
}

static void render_json(const struct top *t, struct lb_json *doc) {
    struct lb_sample s;
    lb_sample_diff(t->before, t->after, &s);
    lb_json_object(doc, NULL);
    lb_json_double(doc, "seconds", s.seconds);
    lb_json_str(doc, "engine", t->status->engine);
    lb_json_u64(doc, "connections", t->after->connections);
    lb_json_u64(doc, "in_flight", t->after->in_flight);
    lb_json_double(doc, "auth_failures_per_s", s.auth_failures);
    lb_json_double(doc, "engine_read_bytes_per_s", s.engine_reads);
    lb_json_double(doc, "engine_written_bytes_per_s", s.engine_writes);
    lb_json_double(doc, "engine_syncs_per_s", s.engine_syncs);
    lb_json_object(doc, "total");
    op_json(doc, &s.total);
    lb_json_end(doc);
    lb_json_array(doc, "operations");
    for (unsigned i = 0; i < s.ops_n; i++) {
        lb_json_object(doc, NULL);
        op_json(doc, &s.ops[i]);
        lb_json_end(doc);
    }
    lb_json_end(doc);
    lb_json_end(doc);
}

/* ---- running ---- */

static int once(struct lb_ctl *c, struct top *t) {
    sleep((unsigned)t->interval_s);
    int err = read_once(c, t);
    if (err)
        return err;
    if (c->json)
        render_json(t, &c->doc);
    else
        render(t, LB_SAMPLE_OPS_MAX, &c->out);
    return 0;
}

static void draw(struct lb_ctl *c, const struct top *t, int err) {
    unsigned columns, rows;
    lb_screen_size(&columns, &rows);
    lb_buf_clear(&c->out);
    if (t->before)
        render(t, rows > HEAD_ROWS + 2 ? rows - HEAD_ROWS - 2 : 0, &c->out);
    if (err) {
        lb_buf_append_char(&c->out, '\n');
        lb_text_escape(&c->out, lb_buf_slice(&c->why));
    } else {
        lb_buf_printf(&c->out, "\n%s %d s; q ends", t->before ? "every" : "the first sample after",
                      (int)t->interval_s);
    }
    lb_screen_draw(lb_buf_slice(&c->out));
    lb_buf_clear(&c->out);
}

static int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Until q or a signal; a server that can't be reached is asked again at the next sample. */
static int live(struct lb_ctl *c, struct top *t) {
    int err = 0, key = 0;
    int64_t next = now_ms() + (int64_t)t->interval_s * 1000;
    while (key != 'q' && key != 'Q' && !lb_screen_ended()) {
        draw(c, t, err);
        int64_t left = next - now_ms();
        key = lb_screen_key(left > 0 ? (int)left : 0);
        if (now_ms() < next)
            continue;
        lb_buf_clear(&c->why);
        err = read_once(c, t);
        next = now_ms() + (int64_t)t->interval_s * 1000;
    }
    lb_buf_clear(&c->why);
    return 0;
}

int lb_top(struct lb_ctl *c) {
    const char *interval = lb_ctl_option(c, "interval");
    struct top t = {.interval_s = INTERVAL_DEFAULT_S};
    if (interval && (lb_slice_to_u64(lb_slice_cstr(interval), &t.interval_s) < 0 ||
                     t.interval_s < 1 || t.interval_s > INTERVAL_MAX_S))
        return lb_ctl_fail(c, LB_EXIT_USAGE, "--interval %s: must be 1 to %d seconds", interval,
                           INTERVAL_MAX_S);
    int err = read_once(c, &t);
    if (err == 0) {
        bool screen = !lb_ctl_option(c, "once") && !c->json && lb_screen_open() == 0;
        err = screen ? live(c, &t) : once(c, &t);
        if (screen)
            lb_screen_close();
    }
    top_free(&t);
    return err;
}

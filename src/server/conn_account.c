/* What remains of an exchange when it has ended: numbers, and a line in the log. */
#include "base/err.h"
#include "base/log.h"
#include "server/conn_priv.h"

#define NS_PER_S 1000000000ull
#define SLOW_PER_S 20u /* lines of slow requests a loop logs in a second; others are counted */

static void log_access(const struct conn *c, uint64_t took_ns) {
    const struct lb_exchange *x = &c->x;
    lb_info("request", LB_LOG_S("peer", x->peer), LB_LOG_S("user", x->user),
            LB_LOG_S("op", x->op_name), LB_LOG_S("method", c->request.method_name),
            LB_LOG_S("path", c->request.path), LB_LOG_I("status", x->status),
            LB_LOG_C("err", x->err ? lb_err_name(x->err) : ""), LB_LOG_I("sent", c->sent),
            LB_LOG_I("us", took_ns / 1000));
}

/* May one more line be logged in this second? */
static bool slow_allowed(struct lb_conns *cs, uint64_t now_ns) {
    if (now_ns >= cs->slow_since_ns + NS_PER_S) {
        cs->slow_since_ns = now_ns;
        cs->slow_n = 0;
    }
    return cs->slow_n++ < SLOW_PER_S;
}

static void log_slow(const struct conn *c, uint64_t took_ns) {
    const struct lb_exchange *x = &c->x;
    const uint64_t *ns = x->phase_ns;
    lb_warn("slow request", LB_LOG_S("id", x->id), LB_LOG_S("op", x->op_name),
            LB_LOG_S("bucket", x->bucket), LB_LOG_I("status", x->status),
            LB_LOG_I("received", c->received), LB_LOG_I("sent", c->sent),
            LB_LOG_I("us", took_ns / 1000), LB_LOG_I("parse_us", ns[LB_PHASE_PARSE] / 1000),
            LB_LOG_I("auth_us", ns[LB_PHASE_AUTH] / 1000),
            LB_LOG_I("engine_us", ns[LB_PHASE_ENGINE] / 1000),
            LB_LOG_I("io_us", ns[LB_PHASE_IO] / 1000),
            LB_LOG_I("receive_us", ns[LB_PHASE_RECEIVE] / 1000),
            LB_LOG_I("send_us", ns[LB_PHASE_SEND] / 1000));
}

static void count(const struct conn *c, uint64_t now_ns) {
    const struct lb_exchange *x = &c->x;
    uint64_t first_ns = c->first_ns ? c->first_ns : now_ns;
    const struct lb_request_metrics r = {
        .op = x->op,
        .status = x->status,
        .err = x->err,
        .bytes_in = c->received,
        .bytes_out = c->sent,
        .first_byte_ns = first_ns - x->start_ns,
        .whole_ns = now_ns - x->start_ns,
    };
    lb_metrics_request(c->cs->metrics, &r);
}

void conn_account(struct conn *c) {
    struct lb_conns *cs = c->cs;
    bool whole = !c->broken && c->head_sent && c->sent == c->length;
    uint64_t now_ns = whole ? c->last_ns : lb_io_clock_ns(cs->io);
    uint64_t took_ns = now_ns - c->x.start_ns;
    uint64_t slow_ms = atomic_load_explicit(&cs->slow_ms, memory_order_relaxed);
    if (cs->metrics)
        count(c, now_ns);
    if (cs->access_log)
        log_access(c, took_ns);
    if (slow_ms == 0 || took_ns < slow_ms * 1000000)
        return;
    if (cs->metrics)
        lb_counter_add(&cs->metrics->slow, 1);
    if (slow_allowed(cs, now_ns))
        log_slow(c, took_ns);
}

/* The server itself. */
#include <time.h>
#include <unistd.h>

#include "base/budget.h"
#include "control/admin_priv.h"
#include "engine/engine.h"
#include "metrics/metrics.h"
#include "metrics/storage.h"

static bool is_draining(const struct control_call *call) {
    return lb_metrics_state(call->control->conf.metrics) == LB_SERVER_DRAINING;
}

int control_admin_get_status(struct control_call *call, const void *request) {
    const struct lb_control_conf *conf = &call->control->conf;
    Lobosadmin__Status *status = control_reply(call, &lobosadmin__status__descriptor);
    struct lb_storage_stats storage = {0};
    struct lb_metrics_sum sum;
    if (!status)
        return GRPC_STATUS_OK;
    lb_metrics_sum(conf->metrics, &sum);
    if (conf->engine->ops->stats)
        conf->engine->ops->stats(conf->engine, &storage);
    status->version = control_text(call, LB_S(LB_VERSION));
    status->engine = control_text(call, lb_slice_cstr(conf->engine->ops->name));
    status->storage = control_text(call, lb_slice_cstr(conf->storage));
    status->address = control_text(call, lb_slice_cstr(conf->s3_address));
    status->authentication = conf->authentication;
    status->started = control_seconds(conf->metrics->started_ns);
    status->loops = conf->metrics->loops_n;
    status->io = control_text(call, lb_slice_cstr(conf->io_name));
    status->connections = sum.connections;
    status->in_flight = sum.in_flight;
    status->memory_used = sum.pool_used + atomic_load(&conf->budget->used);
    status->memory_max = sum.pool_max + conf->budget->max;
    status->storage_free = storage.free_bytes;
    status->storage_total = storage.size_bytes;
    status->draining = is_draining(call);
    status->read_only = storage.read_only;
    status->users = lb_users_count(conf->users);
    status->pid = getpid();
    return GRPC_STATUS_OK;
}

static Lobosadmin__Operation *operation(struct control_call *call, const struct lb_op_sum *sum) {
    Lobosadmin__Operation *op = control_new(call, &lobosadmin__operation__descriptor);
    uint64_t *latency = lb_arena_alloc(&call->arena, sizeof(sum->whole.n));
    if (!op || !latency) {
        call->no_memory = true;
        return NULL;
    }
    op->name = control_text(call, lb_slice_cstr(sum->name));
    op->requests = sum->requests;
    op->client_errors = sum->client_errors;
    op->server_errors = sum->server_errors;
    op->bytes_in = sum->bytes_in;
    op->bytes_out = sum->bytes_out;
    memcpy(latency, sum->whole.n, sizeof(sum->whole.n));
    op->latency = latency;
    op->n_latency = LB_HISTOGRAM_BOUNDS + 1;
    return op;
}

static void set_operations(struct control_call *call, Lobosadmin__Counters *reply) {
    const struct lb_metrics *metrics = call->control->conf.metrics;
    struct lb_op_sum sum;
    reply->operations = control_array(call, metrics->ops_n);
    for (size_t i = 0; i < metrics->ops_n && !call->no_memory; i++) {
        if (lb_metrics_op(metrics, i, &sum) && sum.requests)
            reply->operations[reply->n_operations++] = operation(call, &sum);
    }
}

int control_admin_get_counters(struct control_call *call, const void *request) {
    const struct lb_control_conf *conf = &call->control->conf;
    Lobosadmin__Counters *reply = control_reply(call, &lobosadmin__counters__descriptor);
    uint64_t *bounds = lb_arena_alloc(&call->arena, LB_HISTOGRAM_BOUNDS * sizeof(*bounds));
    struct lb_storage_stats storage = {0};
    struct lb_metrics_sum sum;
    struct timespec now;
    if (!reply || !bounds) {
        call->no_memory = true;
        return GRPC_STATUS_OK;
    }
    for (size_t i = 0; i < LB_HISTOGRAM_BOUNDS; i++)
        bounds[i] = lb_histogram_bounds_us[i];
    reply->latency_us = bounds;
    reply->n_latency_us = LB_HISTOGRAM_BOUNDS;
    clock_gettime(CLOCK_REALTIME, &now);
    reply->time_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    lb_metrics_sum(conf->metrics, &sum);
    reply->connections = sum.connections;
    reply->in_flight = sum.in_flight;
    for (size_t i = 0; i < LB_AUTH_FAILURES; i++)
        reply->auth_failures += sum.auth_failures[i];
    if (conf->engine->ops->stats)
        conf->engine->ops->stats(conf->engine, &storage);
    reply->engine_reads = storage.read_bytes;
    reply->engine_writes = storage.write_bytes;
    reply->engine_syncs = storage.syncs;
    set_operations(call, reply);
    return GRPC_STATUS_OK;
}

int control_admin_reload(struct control_call *call, const void *request) {
    const struct lb_control_conf *conf = &call->control->conf;
    if (is_draining(call))
        return control_fail(call, GRPC_STATUS_FAILED_PRECONDITION, "the server is about to end");
    if (conf->reload(conf->ctx, &call->why) < 0)
        return GRPC_STATUS_INVALID_ARGUMENT;
    return control_done(call, "the configuration is right, and is being reloaded");
}

int control_admin_drain(struct control_call *call, const void *request) {
    const struct lb_control_conf *conf = &call->control->conf;
    if (!is_draining(call))
        conf->drain(conf->ctx);
    return control_done(call, "no new connections; what is in progress is finished");
}

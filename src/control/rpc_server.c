#include <errno.h>
#include <grpc/support/log.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "control/rpc_priv.h"

#define REQUESTS 8             /* calls that can arrive while others are being taken up */
#define MEMORY_MAX (64u << 20) /* bytes of gRPC's buffers; connections beyond are refused */
#define STREAMS_MAX 100        /* calls at once of a connection */
#define METADATA_MAX 8192      /* bytes of a call's metadata */
#define IDLE_MS 600000         /* after which a connection without calls is closed */
#define KEEPALIVE_MS 60000     /* between two pings of a silent client */

/* Errors alone: what else gRPC has to say may hold metadata. */
static void on_log(gpr_log_func_args *args) {
    if (args->severity == GPR_LOG_SEVERITY_ERROR)
        lb_info("gRPC", LB_LOG_C("message", args->message));
}

static void *run(void *arg) {
    struct rpc_server *s = arg;
    for (;;) {
        grpc_event e = grpc_completion_queue_next(s->cq, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
        if (e.type == GRPC_QUEUE_SHUTDOWN)
            return NULL;
        struct rpc_tag *tag = e.tag;
        tag->fn(tag, e.success);
    }
}

static void on_ended(struct rpc_tag *tag, bool ok) {
    struct rpc_server *s = LB_CONTAINER_OF(tag, struct rpc_server, ended_tag);
    pthread_mutex_lock(&s->lock);
    s->ended = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static grpc_arg integer(const char *name, int value) {
    return (grpc_arg){
        .type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t)name, .value.integer = value};
}

static grpc_server *new_server(void) {
    grpc_resource_quota *quota = grpc_resource_quota_create("control");
    grpc_resource_quota_resize(quota, MEMORY_MAX);
    grpc_arg args[] = {
        integer(GRPC_ARG_ALLOW_REUSEPORT, 0), /* a port in use is to be an error */
        integer(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, CONTROL_MESSAGE_MAX),
        integer(GRPC_ARG_MAX_METADATA_SIZE, METADATA_MAX),
        integer(GRPC_ARG_MAX_CONCURRENT_STREAMS, STREAMS_MAX),
        integer(GRPC_ARG_MAX_CONNECTION_IDLE_MS, IDLE_MS),
        integer(GRPC_ARG_KEEPALIVE_TIME_MS, KEEPALIVE_MS),
        /* A small compressed message can be a large one. */
        integer(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1),
        integer(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0),
        {.type = GRPC_ARG_POINTER,
         .key = (char *)(uintptr_t)GRPC_ARG_RESOURCE_QUOTA,
         .value.pointer = {quota, grpc_resource_quota_arg_vtable()}},
    };
    const grpc_channel_args all = {sizeof(args) / sizeof(args[0]), args};
    grpc_server *server = grpc_server_create(&all, NULL);
    grpc_resource_quota_unref(quota);
    return server;
}

static int listen_failed(const struct rpc_address *a, int err) {
    lb_error(
        "the control plane cannot listen", LB_LOG_C("address", a->text),
        LB_LOG_C("reason", err == -EADDRINUSE ? "another program uses this port" : strerror(-err)),
        LB_LOG_C("help", "choose another address by grpc_server = 127.0.0.1:PORT (0 takes a "
                         "free port), or grpc_server = off"));
    return err;
}

/* Returns 0 or -errno with the reason logged. */
static int bind_port(struct rpc_server *s) {
    const struct lb_control_listen *l = &s->control->conf.listen;
    struct rpc_address *a = &s->address;
    if (rpc_address_parse(l->address, a) < 0)
        return -EINVAL;
    int err = rpc_address_check(a);
    if (err < 0)
        return listen_failed(a, err);
    grpc_server_credentials *credentials = rpc_credentials(&s->tls, l);
    if (!credentials)
        return -EINVAL;
    int port = grpc_server_add_http2_port(s->server, a->text, credentials);
    grpc_server_credentials_release(credentials);
    if (port <= 0)
        return listen_failed(a, -EINVAL);
    rpc_address_set_port(a, (unsigned)port);
    return 0;
}

static int start_threads(struct rpc_server *s) {
    int err = 0;
    while (err == 0 && s->threads_n < RPC_THREADS) {
        err = -pthread_create(&s->threads[s->threads_n], NULL, run, s);
        if (err == 0)
            s->threads_n++;
    }
    return s->threads_n ? 0 : err;
}

int rpc_server_start(struct rpc_server *s, struct control *control) {
    pthread_condattr_t monotonic;
    *s = (struct rpc_server){.control = control, .ended_tag.fn = on_ended};
    gpr_set_log_function(on_log);
    grpc_init();
    lb_list_init(&s->calls);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    s->cq = grpc_completion_queue_create_for_next(NULL);
    s->server = new_server();
    grpc_server_register_completion_queue(s->server, s->cq, NULL);
    int err = bind_port(s);
    if (err == 0)
        err = start_threads(s);
    if (err == 0) {
        grpc_server_start(s->server);
        for (unsigned i = 0; i < REQUESTS; i++)
            rpc_request(s);
        return 0;
    }
    rpc_server_stop(s, 0);
    return err;
}

static bool wait_ended(struct rpc_server *s, unsigned ms) {
    int64_t at = control_now_ns() + (int64_t)ms * 1000000;
    const struct timespec until = {at / 1000000000, at % 1000000000};
    int err = 0;
    pthread_mutex_lock(&s->lock);
    while (!s->ended && err == 0)
        err = pthread_cond_timedwait(&s->changed, &s->lock, &until);
    bool ended = s->ended;
    pthread_mutex_unlock(&s->lock);
    return ended;
}

void rpc_server_stop(struct rpc_server *s, unsigned grace_ms) {
    if (s->threads_n) {
        grpc_server_shutdown_and_notify(s->server, s->cq, &s->ended_tag);
        rpc_cancel_streams(s);
        if (!wait_ended(s, grace_ms)) {
            grpc_server_cancel_all_calls(s->server);
            wait_ended(s, UINT32_MAX);
        }
    }
    grpc_completion_queue_shutdown(s->cq);
    for (unsigned i = 0; i < s->threads_n; i++)
        pthread_join(s->threads[i], NULL);
    if (s->threads_n == 0)
        run(s);
    grpc_server_destroy(s->server);
    grpc_completion_queue_destroy(s->cq);
    grpc_shutdown_blocking();
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
}

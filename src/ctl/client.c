#include "ctl/client.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <lobosadmin.pb-c.h>

#define SERVICE (&lobosadmin__admin__descriptor)
#define PEM_MAX (1 << 20)
#define REPLY_MAX (64 << 20)
#define REASON_MAX 300

struct lb_client {
    struct lb_client_options options;
    grpc_channel *channel;
    grpc_completion_queue *queue;
};

/* ---- messages that are wiped when they are freed ---- */

struct wiped {
    _Alignas(max_align_t) size_t size;
};

static void *wiped_alloc(void *data, size_t size) {
    struct wiped *w = malloc(sizeof(*w) + size);
    if (!w)
        return NULL;
    w->size = size;
    return w + 1;
}

static void wiped_free(void *data, void *ptr) {
    if (!ptr)
        return;
    struct wiped *w = (struct wiped *)ptr - 1;
    explicit_bzero(ptr, w->size);
    free(w);
}

static ProtobufCAllocator wiping = {.alloc = wiped_alloc, .free = wiped_free};

void lb_message_free(ProtobufCMessage *m) {
    if (m)
        protobuf_c_message_free_unpacked(m, &wiping);
}

/* ---- the channel ---- */

/* gRPC's own lines would stand among ours; what matters of them comes with the status. */
static void no_log(gpr_log_func_args *args) {}

/* Reads a file of PEM blocks with this word in their first line; NULL: none. */
static int read_pem(const char *path, const char *word, struct lb_buf *to, struct lb_buf *why) {
    lb_buf_init(to, PEM_MAX);
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t n = fd < 0 && path ? -1 : 0;
    while (fd >= 0 && lb_buf_reserve(to, 4096) && (n = read(fd, to->ptr + to->len, 4096)) > 0)
        to->len += (size_t)n;
    int err = n < 0 ? errno : to->err ? EFBIG : 0;
    if (fd >= 0)
        close(fd);
    lb_buf_append_char(to, '\0');
    if (err)
        lb_buf_printf(why, "%s: %s", path, strerror(err));
    else if (path && (!strstr(to->ptr, "-----BEGIN") || !strstr(to->ptr, word)))
        lb_buf_printf(why, "%s: has no PEM block of a %s", path, word);
    return why->len > 0 ? LB_EXIT_USAGE : 0;
}

static int credentials(const struct lb_client_options *o, struct lb_buf *why,
                       grpc_channel_credentials **ret) {
    if (!o->certificate != !o->key || (o->certificate && !o->ca)) {
        lb_buf_printf(why, "--cert needs --key, and both need --ca");
        return LB_EXIT_USAGE;
    }
    if (!o->ca) {
        *ret = grpc_insecure_credentials_create();
        return 0;
    }
    struct lb_buf ca = {0}, certificate = {0}, key = {0};
    int err = read_pem(o->ca, "CERTIFICATE", &ca, why);
    if (err == 0)
        err = read_pem(o->certificate, "CERTIFICATE", &certificate, why);
    if (err == 0)
        err = read_pem(o->key, "PRIVATE KEY", &key, why);
    if (err == 0) {
        grpc_ssl_pem_key_cert_pair pair = {.private_key = key.ptr, .cert_chain = certificate.ptr};
        *ret = grpc_ssl_credentials_create_ex(ca.ptr, o->key ? &pair : NULL, NULL, NULL);
    }
    if (key.ptr)
        explicit_bzero(key.ptr, key.len);
    lb_buf_fini(&ca);
    lb_buf_fini(&certificate);
    lb_buf_fini(&key);
    return err;
}

int lb_client_new(const struct lb_client_options *options, struct lb_buf *why,
                  struct lb_client **ret) {
    gpr_set_log_function(no_log);
    grpc_init();
    grpc_channel_credentials *creds = NULL;
    struct lb_client *c = calloc(1, sizeof(*c));
    int err = c ? credentials(options, why, &creds) : LB_EXIT_FAILED;
    if (err) {
        free(c);
        grpc_shutdown();
        return err;
    }
    grpc_arg args[] = {
        {.type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_ENABLE_HTTP_PROXY, .value.integer = 0},
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH,
         .value.integer = REPLY_MAX},
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_MAX_RECONNECT_BACKOFF_MS,
         .value.integer = 2000},
    };
    c->options = *options;
    c->channel = grpc_channel_create(options->server, creds,
                                     &(grpc_channel_args){sizeof(args) / sizeof(args[0]), args});
    grpc_channel_credentials_release(creds);
    c->queue = grpc_completion_queue_create_for_pluck(NULL);
    *ret = c;
    return 0;
}

void lb_client_free(struct lb_client *c) {
    if (!c)
        return;
    grpc_channel_destroy(c->channel);
    grpc_completion_queue_shutdown(c->queue);
    grpc_completion_queue_pluck(c->queue, NULL, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
    grpc_completion_queue_destroy(c->queue);
    free(c);
    grpc_shutdown_blocking();
}

/* ---- one call ---- */

struct answer {
    grpc_metadata_array initial, trailing;
    grpc_byte_buffer *message; /* or NULL */
    grpc_status_code status;
    grpc_slice details;
};

static grpc_byte_buffer *pack(const ProtobufCMessage *request) {
    grpc_slice bytes = grpc_slice_malloc(protobuf_c_message_get_packed_size(request));
    protobuf_c_message_pack(request, GRPC_SLICE_START_PTR(bytes));
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&bytes, 1);
    grpc_slice_unref(bytes);
    return buffer;
}

static void run(struct lb_client *c, const char *method, const ProtobufCMessage *request,
                struct answer *a) {
    char path[128];
    snprintf(path, sizeof(path), "/%s/%s", SERVICE->name, method);
    grpc_slice path_slice = grpc_slice_from_copied_string(path);
    gpr_timespec deadline = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                         gpr_time_from_seconds(c->options.timeout_s, GPR_TIMESPAN));
    grpc_call *call = grpc_channel_create_call(c->channel, NULL, GRPC_PROPAGATE_DEFAULTS, c->queue,
                                               path_slice, NULL, deadline, NULL);
    grpc_metadata token = {.key = grpc_slice_from_static_string("authorization"),
                           .value = grpc_empty_slice()};
    if (c->options.token) {
        size_t len = strlen("Bearer ") + strlen(c->options.token);
        token.value = grpc_slice_malloc(len + 1);
        snprintf((char *)GRPC_SLICE_START_PTR(token.value), len + 1, "Bearer %s", c->options.token);
        GRPC_SLICE_SET_LENGTH(token.value, len);
    }
    grpc_byte_buffer *message = pack(request);
    grpc_op ops[6] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA,
         .data.send_initial_metadata = {.count = c->options.token ? 1 : 0, .metadata = &token}},
        {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = message},
        {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
        {.op = GRPC_OP_RECV_INITIAL_METADATA,
         .data.recv_initial_metadata.recv_initial_metadata = &a->initial},
        {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &a->message},
        {.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
         .data.recv_status_on_client = {.trailing_metadata = &a->trailing,
                                        .status = &a->status,
                                        .status_details = &a->details}},
    };
    grpc_call_error refused = grpc_call_start_batch(call, ops, 6, a, NULL);
    assert(refused == GRPC_CALL_OK);
    /* The batch ends at the deadline at the latest. */
    grpc_completion_queue_pluck(c->queue, a, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
    grpc_byte_buffer_destroy(message);
    grpc_slice_unref(token.value);
    grpc_slice_unref(path_slice);
    grpc_call_unref(call);
}

static ProtobufCMessage *unpack(const ProtobufCMessageDescriptor *type, grpc_byte_buffer *bytes) {
    grpc_byte_buffer_reader reader;
    if (!bytes || !grpc_byte_buffer_reader_init(&reader, bytes))
        return NULL;
    grpc_slice all = grpc_byte_buffer_reader_readall(&reader);
    ProtobufCMessage *m =
        protobuf_c_message_unpack(type, &wiping, GRPC_SLICE_LENGTH(all), GRPC_SLICE_START_PTR(all));
    explicit_bzero(GRPC_SLICE_START_PTR(all), GRPC_SLICE_LENGTH(all));
    grpc_slice_unref(all);
    grpc_byte_buffer_reader_destroy(&reader);
    return m;
}

/* What stands behind the last ": " of gRPC's long reasons ("Connection refused"). */
static struct lb_slice cause(struct lb_slice reason) {
    ptrdiff_t colon;
    while ((colon = lb_slice_find_slice(reason, LB_S(": "))) >= 0)
        reason = lb_slice_from(reason, (size_t)colon + 2);
    return reason;
}

#define PLAIN_HINT "does it want TLS? --ca turns it on"
#define CERTIFICATE_HINT "does it want our certificate? --cert and --key give it"

/* Says why there was no answer, and what may help. */
static void explain_unreachable(const struct lb_client *c, struct lb_slice reason,
                                struct lb_buf *why) {
    static const struct {
        const char *part, *hint, *hint_tls; /* of the reason; hint_tls: when we spoke TLS */
    } known[] = {
        {"Connection refused", "is lobos running there? --server or LOBOS_SERVER names another", 0},
        {"wrong version number", "no TLS is spoken there: leave out --ca", 0},
        {"certificate verify failed", "--ca must have the certificate that the server's is from",
         0},
        {"not in peer certificate", "the server's certificate is for another name", 0},
        {"http1.x", "that port is for HTTP, not for gRPC", 0},
        {"Socket closed", PLAIN_HINT, CERTIFICATE_HINT},
        {"onnection reset", PLAIN_HINT, CERTIFICATE_HINT},
        {"Broken pipe", PLAIN_HINT, CERTIFICATE_HINT},
    };
    lb_buf_printf(why, "cannot reach the control plane at %s (%.*s)", c->options.server,
                  LB_SLICE_ARG(cause(reason)));
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (lb_slice_find_slice(reason, lb_slice_cstr(known[i].part)) < 0)
            continue;
        bool tls = known[i].hint_tls && c->options.ca;
        lb_buf_printf(why, ": %s", tls ? known[i].hint_tls : known[i].hint);
        return;
    }
}

static int explain(const struct lb_client *c, const struct answer *a, struct lb_buf *why) {
    struct lb_slice reason =
        lb_slice(GRPC_SLICE_START_PTR(a->details), GRPC_SLICE_LENGTH(a->details));
    if (a->status != GRPC_STATUS_UNAVAILABLE)
        reason = lb_slice_first(reason, REASON_MAX);
    const char *server = c->options.server;
    switch (a->status) {
    case GRPC_STATUS_UNAVAILABLE:
        explain_unreachable(c, reason, why);
        return LB_EXIT_UNREACHABLE;
    case GRPC_STATUS_DEADLINE_EXCEEDED:
        lb_buf_printf(why, "no answer from %s within %d s: --timeout allows more time", server,
                      c->options.timeout_s);
        return LB_EXIT_UNREACHABLE;
    case GRPC_STATUS_UNIMPLEMENTED:
        lb_buf_printf(why, "the server at %s can't do this: is it an older lobos? (%.*s)", server,
                      LB_SLICE_ARG(reason));
        return LB_EXIT_FAILED;
    case GRPC_STATUS_UNAUTHENTICATED:
        lb_buf_printf(why,
                      "%.*s: --token-file or LOBOS_TOKEN gives a token, which a "
                      "package keeps in /etc/lobos/token",
                      LB_SLICE_ARG(reason));
        return LB_EXIT_DENIED;
    case GRPC_STATUS_PERMISSION_DENIED:
        lb_buf_append(why, reason);
        return LB_EXIT_DENIED;
    case GRPC_STATUS_NOT_FOUND:
        lb_buf_append(why, reason);
        return LB_EXIT_NOT_FOUND;
    case GRPC_STATUS_ALREADY_EXISTS:
        lb_buf_append(why, reason);
        return LB_EXIT_EXISTS;
    default:
        lb_buf_append(why, reason);
        return LB_EXIT_FAILED;
    }
}

int lb_client_call(struct lb_client *c, const char *method, const ProtobufCMessage *request,
                   struct lb_buf *why, ProtobufCMessage **ret) {
    const ProtobufCMethodDescriptor *m =
        protobuf_c_service_descriptor_get_method_by_name(SERVICE, method);
    assert(m && request->descriptor == m->input);
    struct answer a = {.details = grpc_empty_slice()};
    grpc_metadata_array_init(&a.initial);
    grpc_metadata_array_init(&a.trailing);
    run(c, method, request, &a);
    int result = 0;
    if (a.status != GRPC_STATUS_OK) {
        result = explain(c, &a, why);
    } else {
        ProtobufCMessage *reply = unpack(m->output, a.message);
        if (reply) {
            *ret = reply;
        } else {
            lb_buf_printf(why, "the answer of %s is not what it should be", c->options.server);
            result = LB_EXIT_FAILED;
        }
    }
    if (a.message)
        grpc_byte_buffer_destroy(a.message);
    grpc_slice_unref(a.details);
    grpc_metadata_array_destroy(&a.initial);
    grpc_metadata_array_destroy(&a.trailing);
    return result;
}

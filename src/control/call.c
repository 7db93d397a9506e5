#include "control/call_priv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "base/err.h"
#include "base/log.h"
#include "control/wire_priv.h"

#define WHY_MAX 1024 /* bytes of a message: it goes into a header */

void control_call_init(struct control_call *call, struct control *control,
                       const struct control_method *method, int64_t deadline_ns) {
    *call = (struct control_call){.control = control, .method = method, .deadline_ns = deadline_ns};
    lb_arena_init(&call->arena, CONTROL_CALL_MEMORY_MAX);
    lb_buf_init(&call->why, WHY_MAX);
}

static void wipe(ProtobufCMessage *m);

/* Wipes one field of a message: a secret, or what is in a message. */
static void wipe_field(const ProtobufCFieldDescriptor *field, void *at) {
    char *text;
    ProtobufCMessage *inner;
    if (field->type == PROTOBUF_C_TYPE_STRING && strncmp(field->name, "secret", 6) == 0) {
        memcpy(&text, at, sizeof(text));
        if (text && text[0]) /* the empty string is a constant */
            explicit_bzero(text, strlen(text));
    } else if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        memcpy(&inner, at, sizeof(inner));
        wipe(inner);
    }
}

/* Secrets are in single fields of messages; what is repeated has none. */
static void wipe(ProtobufCMessage *m) {
    for (unsigned i = 0; m && i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &m->descriptor->fields[i];
        bool one_of = field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
        if (field->label != PROTOBUF_C_LABEL_REPEATED && !one_of)
            wipe_field(field, (char *)m + field->offset);
    }
}

void control_call_fini(struct control_call *call) {
    wipe(call->request);
    wipe(call->reply);
    lb_arena_fini(&call->arena);
    lb_buf_fini(&call->why);
}

static void *call_alloc(void *ctx, size_t n) {
    struct control_call *call = ctx;
    void *at = lb_arena_alloc(&call->arena, n);
    call->no_memory |= !at;
    return at;
}

/* The arena frees all. */
static void call_free(void *ctx, void *at) {}

static int fail_memory(struct control_call *call) {
    return control_fail(call, GRPC_STATUS_RESOURCE_EXHAUSTED,
                        "the server has no memory for this; ask for less at once");
}

int control_call_run(struct control_call *call, struct lb_slice request) {
    ProtobufCAllocator allocator = {call_alloc, call_free, call};
    if (request.len > CONTROL_MESSAGE_MAX)
        return control_fail(call, GRPC_STATUS_RESOURCE_EXHAUSTED,
                            "the request is too large: at most %u bytes", CONTROL_MESSAGE_MAX);
    if (!wire_text_valid(request, call->method->in))
        return control_fail(call, GRPC_STATUS_INVALID_ARGUMENT,
                            "the request is not a message of this method, or a string in it is "
                            "not UTF-8 or holds a NUL");
    call->request = protobuf_c_message_unpack(call->method->in, &allocator, request.len,
                                              (const uint8_t *)request.ptr);
    if (call->no_memory)
        return fail_memory(call);
    if (!call->request)
        return control_fail(call, GRPC_STATUS_INVALID_ARGUMENT,
                            "the request is not a message of this method");
    int status = call->method->run(call, call->request);
    return call->no_memory ? fail_memory(call) : status;
}

void *control_new(struct control_call *call, const ProtobufCMessageDescriptor *type) {
    void *message = lb_arena_zalloc(&call->arena, type->sizeof_message);
    if (message)
        protobuf_c_message_init(type, message);
    else
        call->no_memory = true;
    return message;
}

void *control_reply(struct control_call *call, const ProtobufCMessageDescriptor *type) {
    return call->reply = control_new(call, type);
}

void *control_array(struct control_call *call, size_t n) {
    void *array = lb_arena_zalloc(&call->arena, (n ? n : 1) * sizeof(void *));
    if (!array)
        call->no_memory = true;
    return array;
}

char *control_text(struct control_call *call, struct lb_slice s) {
    struct lb_slice copy;
    if (lb_arena_copy(&call->arena, s, &copy) < 0) {
        call->no_memory = true;
        return NULL;
    }
    return (char *)(uintptr_t)copy.ptr;
}

int control_fail(struct control_call *call, int status, const char *format, ...) {
    char text[WHY_MAX / 2];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    lb_buf_clear(&call->why);
    lb_buf_append(&call->why, lb_slice_cstr(text));
    return status;
}

static int status_of(int err) {
    switch (err) {
    case LB_ERR_NO_SUCH_BUCKET:
    case LB_ERR_NO_SUCH_UPLOAD:
    case LB_ERR_NO_SUCH_KEY:
        return GRPC_STATUS_NOT_FOUND;
    case LB_ERR_BUCKET_EXISTS:
        return GRPC_STATUS_ALREADY_EXISTS;
    case LB_ERR_BUCKET_NOT_EMPTY:
        return GRPC_STATUS_FAILED_PRECONDITION;
    case LB_ERR_INVALID_BUCKET_NAME:
    case LB_ERR_KEY_TOO_LONG:
        return GRPC_STATUS_INVALID_ARGUMENT;
    case LB_ERR_PRECONDITION_FAILED:
        return GRPC_STATUS_ABORTED;
    case LB_ERR_READ_ONLY:
    case LB_ERR_METHOD_NOT_ALLOWED:
        return GRPC_STATUS_FAILED_PRECONDITION;
    case LB_ERR_NOT_IMPLEMENTED:
        return GRPC_STATUS_UNIMPLEMENTED;
    case LB_ERR_SHUTTING_DOWN:
        return GRPC_STATUS_UNAVAILABLE;
    case LB_ERR_CORRUPT:
        return GRPC_STATUS_DATA_LOSS;
    case -ETIMEDOUT:
        return GRPC_STATUS_DEADLINE_EXCEEDED;
    default:
        break;
    }
    int s3 = lb_err_info(err)->err;
    if (s3 == LB_ERR_STORAGE_FULL || s3 == LB_ERR_SLOW_DOWN)
        return GRPC_STATUS_RESOURCE_EXHAUSTED;
    return s3 == LB_ERR_READ_ONLY ? GRPC_STATUS_FAILED_PRECONDITION : GRPC_STATUS_INTERNAL;
}

int control_fail_err(struct control_call *call, int err, const char *what) {
    int status = status_of(err);
    if (status == GRPC_STATUS_INTERNAL)
        lb_error("a call of the control plane failed", LB_LOG_C("method", call->method->path),
                 LB_LOG_C("err", lb_err_name(err)));
    if (err == -ETIMEDOUT)
        return control_fail(call, status,
                            "%s: not answered in time; what was asked for may still happen", what);
    return control_fail(call, status, "%s: %s", what, lb_err_info(err)->text);
}

int64_t control_seconds(int64_t ns) {
    return ns / 1000000000;
}

int64_t control_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

size_t control_limit(uint32_t limit) {
    return limit == 0 || limit > CONTROL_PAGE_MAX ? CONTROL_PAGE_MAX : limit;
}

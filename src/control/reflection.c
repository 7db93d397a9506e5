/* Server reflection, from the descriptors that the build put in: a FileDescriptorSet, whose files
 * are looked through for each question. Field numbers are those of
 * google/protobuf/descriptor.proto.
 */
#include <grpc/reflection/v1/reflection.pb-c.h>

#include "control/call_priv.h"
#include "control/wire_priv.h"

#define FILES_MAX 16

extern const unsigned char lb_proto_descriptors[];
extern const size_t lb_proto_descriptors_len;

enum { SET_FILE = 1 };
enum {
    FILE_NAME = 1,
    FILE_PACKAGE = 2,
    FILE_MESSAGE = 4,
    FILE_ENUM = 5,
    FILE_SERVICE = 6,
};
enum { NAME = 1 }; /* of messages, fields, enums, services and methods */
enum { MESSAGE_FIELD = 2, MESSAGE_NESTED = 3, MESSAGE_ENUM = 4 };
enum { SERVICE_METHOD = 2 };

typedef Grpc__Reflection__V1__ServerReflectionRequest request_type;
typedef Grpc__Reflection__V1__ServerReflectionResponse response_type;

/* The next file of the set. */
static bool next_file(struct lb_slice *set, struct lb_slice *ret) {
    struct wire_field f;
    while (wire_next(set, &f) > 0) {
        if (f.number == SET_FILE && f.type == 2) {
            *ret = f.bytes;
            return true;
        }
    }
    return false;
}

static struct lb_slice all_files(void) {
    return lb_slice(lb_proto_descriptors, lb_proto_descriptors_len);
}

/* Takes "name" or "name." off the front of *symbol. */
static bool take_name(struct lb_slice *symbol, struct lb_slice name) {
    if (!lb_slice_starts_with(*symbol, name))
        return false;
    if (symbol->len > name.len && name.len && symbol->ptr[name.len] != '.')
        return false;
    *symbol = lb_slice_from(*symbol, name.len ? name.len + 1 : 0);
    return true;
}

/* Is there, among the fields of that number of in, one of that name? */
static bool has_child(struct lb_slice in, uint32_t number, struct lb_slice name) {
    struct wire_field f;
    while (wire_next(&in, &f) > 0) {
        if (f.number == number && f.type == 2 && lb_slice_eq(wire_bytes(f.bytes, NAME), name))
            return true;
    }
    return false;
}

/* Does the message, service or enum define what is left of the symbol? Messages nest as deep as
 * the descriptors that we built. */
static bool defines(struct lb_slice in, uint32_t kind, struct lb_slice symbol) {
    struct wire_field f;
    if (!take_name(&symbol, wire_bytes(in, NAME)))
        return false;
    if (symbol.len == 0)
        return true;
    if (kind == FILE_SERVICE)
        return has_child(in, SERVICE_METHOD, symbol);
    if (kind != FILE_MESSAGE)
        return false;
    if (has_child(in, MESSAGE_FIELD, symbol) || has_child(in, MESSAGE_ENUM, symbol))
        return true;
    while (wire_next(&in, &f) > 0) {
        if (f.number == MESSAGE_NESTED && f.type == 2 && defines(f.bytes, FILE_MESSAGE, symbol))
            return true;
    }
    return false;
}

static bool file_defines(struct lb_slice file, struct lb_slice symbol) {
    struct wire_field f;
    if (!take_name(&symbol, wire_bytes(file, FILE_PACKAGE)) || symbol.len == 0)
        return false;
    while (wire_next(&file, &f) > 0) {
        bool kind = f.number == FILE_MESSAGE || f.number == FILE_ENUM || f.number == FILE_SERVICE;
        if (kind && f.type == 2 && defines(f.bytes, f.number, symbol))
            return true;
    }
    return false;
}

static int reply_error(struct control_call *call, response_type *reply, const char *what) {
    Grpc__Reflection__V1__ErrorResponse *error =
        control_new(call, &grpc__reflection__v1__error_response__descriptor);
    if (!error)
        return GRPC_STATUS_OK;
    error->error_code = GRPC_STATUS_NOT_FOUND;
    error->error_message = control_text(call, lb_slice_cstr(what));
    reply->error_response = error;
    reply->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE;
    return GRPC_STATUS_OK;
}

static int reply_file(struct control_call *call, response_type *reply, struct lb_slice file) {
    Grpc__Reflection__V1__FileDescriptorResponse *files =
        control_new(call, &grpc__reflection__v1__file_descriptor_response__descriptor);
    ProtobufCBinaryData *data = lb_arena_alloc(&call->arena, sizeof(*data));
    if (!files || !data) {
        call->no_memory = true;
        return GRPC_STATUS_OK;
    }
    *data = (ProtobufCBinaryData){file.len, (uint8_t *)(uintptr_t)file.ptr};
    files->file_descriptor_proto = data;
    files->n_file_descriptor_proto = 1;
    reply->file_descriptor_response = files;
    reply->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE;
    return GRPC_STATUS_OK;
}

static int find_file(struct control_call *call, response_type *reply, struct lb_slice name) {
    struct lb_slice set = all_files(), file;
    while (next_file(&set, &file)) {
        if (lb_slice_eq(wire_bytes(file, FILE_NAME), name))
            return reply_file(call, reply, file);
    }
    return reply_error(call, reply, "there is no such file");
}

static int find_symbol(struct control_call *call, response_type *reply, struct lb_slice symbol) {
    struct lb_slice set = all_files(), file;
    while (next_file(&set, &file)) {
        if (file_defines(file, symbol))
            return reply_file(call, reply, file);
    }
    return reply_error(call, reply, "there is no such symbol");
}

static Grpc__Reflection__V1__ServiceResponse *
service(struct control_call *call, struct lb_slice package, struct lb_slice name) {
    Grpc__Reflection__V1__ServiceResponse *s =
        control_new(call, &grpc__reflection__v1__service_response__descriptor);
    struct lb_slice full;
    if (!s || lb_arena_printf(&call->arena, &full, "%.*s.%.*s", LB_SLICE_ARG(package),
                              LB_SLICE_ARG(name)) < 0) {
        call->no_memory = true;
        return NULL;
    }
    s->name = (char *)(uintptr_t)full.ptr;
    return s;
}

static int list_services(struct control_call *call, response_type *reply) {
    Grpc__Reflection__V1__ListServiceResponse *list =
        control_new(call, &grpc__reflection__v1__list_service_response__descriptor);
    struct lb_slice set = all_files(), file;
    struct wire_field f;
    if (!list || !(list->service = control_array(call, FILES_MAX)))
        return GRPC_STATUS_OK;
    while (next_file(&set, &file)) {
        struct lb_slice package = wire_bytes(file, FILE_PACKAGE);
        while (wire_next(&file, &f) > 0) {
            if (f.number == FILE_SERVICE && f.type == 2 && list->n_service < FILES_MAX)
                list->service[list->n_service++] =
                    service(call, package, wire_bytes(f.bytes, NAME));
        }
    }
    reply->list_services_response = list;
    reply->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE;
    return GRPC_STATUS_OK;
}

int control_reflection(struct control_call *call, const void *request) {
    const request_type *in = request;
    response_type *reply =
        control_reply(call, &grpc__reflection__v1__server_reflection_response__descriptor);
    if (!reply)
        return GRPC_STATUS_OK;
    reply->valid_host = in->host;
    reply->original_request = (request_type *)(uintptr_t)in;
    switch (in->message_request_case) {
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME:
        return find_file(call, reply, lb_slice_cstr(in->file_by_filename));
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL:
        return find_symbol(call, reply, lb_slice_cstr(in->file_containing_symbol));
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES:
        return list_services(call, reply);
    default:
        return reply_error(call, reply, "there are no extensions");
    }
}

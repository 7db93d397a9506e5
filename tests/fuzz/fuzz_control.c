/* Messages of the control plane: bytes that the check lets through are unpacked and packed again,
 * and server reflection is asked. */
#include <lobosadmin.pb-c.h>

#include <assert.h>
#include <stdlib.h>

#include "control/call_priv.h"
#include "control/wire_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void unpack(const ProtobufCMessageDescriptor *type, struct lb_slice bytes) {
    ProtobufCMessage *m;
    if (!wire_text_valid(bytes, type))
        return;
    m = protobuf_c_message_unpack(type, NULL, bytes.len, (const uint8_t *)bytes.ptr);
    if (!m)
        return;
    size_t len = protobuf_c_message_get_packed_size(m);
    uint8_t *packed = malloc(len ? len : 1);
    assert(packed && protobuf_c_message_pack(m, packed) == len);
    assert(wire_text_valid(lb_slice(packed, len), type));
    free(packed);
    protobuf_c_message_free_unpacked(m, NULL);
}

static void ask(struct lb_slice bytes) {
    struct control_call call;
    control_call_init(
        &call, NULL,
        control_method_find(LB_S("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")), 0);
    if (control_call_run(&call, bytes) == 0)
        assert(call.reply && protobuf_c_message_get_packed_size(call.reply) < (1u << 20) * 2);
    control_call_fini(&call);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct lb_slice bytes = lb_slice(data, size);
    unpack(&lobosadmin__set_grant_request__descriptor, bytes);
    unpack(&lobosadmin__create_user_request__descriptor, bytes);
    unpack(&lobosadmin__set_bucket_request__descriptor, bytes);
    ask(bytes);
    return 0;
}

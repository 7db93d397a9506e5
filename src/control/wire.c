#include "control/wire_priv.h"

#include <errno.h>

#define DEPTH_MAX 16 /* of messages in messages; ours have 3 */

static int take_varint(struct lb_slice *s, uint64_t *ret) {
    uint64_t v = 0;
    for (unsigned i = 0; i < 10 && i < s->len; i++) {
        uint8_t byte = (uint8_t)s->ptr[i];
        v |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *s = lb_slice_from(*s, i + 1);
            *ret = v;
            return 0;
        }
    }
    return -EINVAL;
}

static int take_fixed(struct lb_slice *s, size_t n, uint64_t *ret) {
    uint64_t v = 0;
    if (s->len < n)
        return -EINVAL;
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)(uint8_t)s->ptr[i] << (8 * i);
    *s = lb_slice_from(*s, n);
    *ret = v;
    return 0;
}

static int take_value(struct lb_slice *s, struct wire_field *f) {
    uint64_t len;
    switch (f->type) {
    case 0:
        return take_varint(s, &f->value);
    case 1:
        return take_fixed(s, 8, &f->value);
    case 2:
        if (take_varint(s, &len) < 0 || len > s->len)
            return -EINVAL;
        f->bytes = lb_slice_first(*s, (size_t)len);
        *s = lb_slice_from(*s, (size_t)len);
        return 0;
    case 5:
        return take_fixed(s, 4, &f->value);
    default:
        return -EINVAL;
    }
}

int wire_next(struct lb_slice *message, struct wire_field *ret) {
    uint64_t tag;
    if (message->len == 0)
        return 0;
    if (take_varint(message, &tag) < 0 || tag >> 3 == 0 || tag >> 3 > UINT32_MAX)
        return -EINVAL;
    *ret = (struct wire_field){.number = (uint32_t)(tag >> 3), .type = (unsigned)tag & 7};
    int err = take_value(message, ret);
    return err < 0 ? err : 1;
}

struct lb_slice wire_bytes(struct lb_slice message, uint32_t number) {
    struct wire_field f;
    while (wire_next(&message, &f) > 0) {
        if (f.number == number && f.type == 2)
            return f.bytes;
    }
    return LB_S("");
}

static bool is_text(struct lb_slice s) {
    while (s.len) {
        size_t n = *s.ptr ? lb_utf8_len(s) : 0;
        if (n == 0)
            return false;
        s = lb_slice_from(s, n);
    }
    return true;
}

static bool text_valid(struct lb_slice message, const ProtobufCMessageDescriptor *type,
                       unsigned depth) {
    struct wire_field f;
    int n;
    while ((n = wire_next(&message, &f)) > 0) {
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(type, f.number);
        if (!field || f.type != 2)
            continue;
        if (field->type == PROTOBUF_C_TYPE_STRING && !is_text(f.bytes))
            return false;
        if (field->type == PROTOBUF_C_TYPE_MESSAGE &&
            (depth == DEPTH_MAX || !text_valid(f.bytes, field->descriptor, depth + 1)))
            return false;
    }
    return n == 0;
}

bool wire_text_valid(struct lb_slice message, const ProtobufCMessageDescriptor *type) {
    return text_valid(message, type, 0);
}

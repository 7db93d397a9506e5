/* The wire format of protobuf, as far as it must be read without the messages' C form. */
#ifndef LB_CONTROL_WIRE_PRIV_H
#define LB_CONTROL_WIRE_PRIV_H

#include <protobuf-c/protobuf-c.h>

#include "base/slice.h"

struct wire_field {
    uint32_t number;
    unsigned type;         /* of the wire: 0 varint, 1 64 bits, 2 bytes, 5 32 bits */
    uint64_t value;        /* types 0, 1, 5 */
    struct lb_slice bytes; /* type 2 */
};

/* Takes the next field off *message. Returns 1, 0 at the end, -EINVAL. */
int wire_next(struct lb_slice *message, struct wire_field *ret);

/* The bytes of the first field of that number and type 2; empty when there is none. */
struct lb_slice wire_bytes(struct lb_slice message, uint32_t number);

/* Is every string of the message UTF-8 without NUL, as proto3 asks? Its C form ends at a NUL, so
 * another name would be acted on than the one that was sent. */
bool wire_text_valid(struct lb_slice message, const ProtobufCMessageDescriptor *type);

#endif

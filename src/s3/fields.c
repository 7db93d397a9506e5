/* Tagged fields, written and read. */
#include "s3/fields_priv.h"

#include "base/err.h"

#define HEAD 5 /* tag and length */

void s3_number_put(struct lb_buf *b, uint64_t v, unsigned bytes) {
    char le[8];
    for (unsigned i = 0; i < bytes; i++)
        le[i] = (char)(v >> 8 * i);
    lb_buf_append(b, lb_slice(le, bytes));
}

uint64_t s3_number_take(struct lb_slice *s, unsigned bytes) {
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v |= (uint64_t)(uint8_t)s->ptr[i] << 8 * i;
    *s = lb_slice_from(*s, bytes);
    return v;
}

void s3_field_begin(struct lb_buf *b, unsigned tag, size_t len) {
    s3_number_put(b, tag, 1);
    s3_number_put(b, len, 4);
}

void s3_field_put(struct lb_buf *b, unsigned tag, struct lb_slice value) {
    s3_field_begin(b, tag, value.len);
    lb_buf_append(b, value);
}

int s3_field_take(struct lb_slice *blob, unsigned *ret_tag, struct lb_slice *ret_value) {
    if (blob->len < HEAD)
        return LB_ERR_CORRUPT;
    unsigned tag = (unsigned)s3_number_take(blob, 1);
    size_t len = s3_number_take(blob, 4);
    if (len > blob->len)
        return LB_ERR_CORRUPT;
    *ret_tag = tag;
    *ret_value = lb_slice_first(*blob, len);
    *blob = lb_slice_from(*blob, len);
    return 0;
}

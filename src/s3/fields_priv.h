/* Sequences of tagged fields, as the blobs that S3 keeps with objects and buckets are made of.
 * Little-endian: tag (1 byte), length (4 bytes), that many bytes. */
#ifndef LB_S3_FIELDS_PRIV_H
#define LB_S3_FIELDS_PRIV_H

#include "base/buf.h"

/* Appends a number of 1 to 8 bytes; takes one off *s, which holds at least that many. */
void s3_number_put(struct lb_buf *b, uint64_t v, unsigned bytes);
uint64_t s3_number_take(struct lb_slice *s, unsigned bytes);

/* Appends the head of a field whose len bytes the caller appends; or a whole field. */
void s3_field_begin(struct lb_buf *b, unsigned tag, size_t len);
void s3_field_put(struct lb_buf *b, unsigned tag, struct lb_slice value);

/* Takes the next field off *blob, which is not empty. Returns 0, or CORRUPT when it is cut short.
 */
int s3_field_take(struct lb_slice *blob, unsigned *ret_tag, struct lb_slice *ret_value);

#endif

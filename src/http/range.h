/* The Range header (RFC 9110, 14.2), one range of bytes. */
#ifndef LB_HTTP_RANGE_H
#define LB_HTTP_RANGE_H

#include "base/slice.h"

enum lb_range_result {
    LB_RANGE_NONE,          /* absent, several ranges or bad syntax: serve the whole */
    LB_RANGE_OK,            /* *ret_off, *ret_len are set; len > 0 and inside size */
    LB_RANGE_UNSATISFIABLE, /* 416 */
};

/* Applies a Range header's value to an object of size bytes: "bytes=a-b", "bytes=a-", "bytes=-n";
 * the end is clamped; a start at or past the size, "-0", and any range of an empty object are
 * unsatisfiable. */
enum lb_range_result lb_range_apply(struct lb_slice value, uint64_t size, uint64_t *ret_off,
                                    uint64_t *ret_len);

/* x-amz-copy-source-range: exactly "bytes=a-b". Returns 0; INVALID_RANGE_HEADER; INVALID_RANGE for
 * one that ends outside of size. */
int lb_range_copy_source(struct lb_slice value, uint64_t size, uint64_t *ret_off,
                         uint64_t *ret_len);

#endif

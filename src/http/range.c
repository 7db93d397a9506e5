/* Parses a Range value and fits it to an object. */
#include "http/range.h"

#include <errno.h>

#include "base/err.h"

/* A number that is too large for 64 bits is larger than any object: UINT64_MAX. */
static bool parse_position(struct lb_slice s, uint64_t *ret) {
    int rc = lb_slice_to_u64(s, ret);
    if (rc == -ERANGE) {
        /* It stopped at the overflow: the rest must be digits too. */
        for (size_t i = 0; i < s.len; i++) {
            if (s.ptr[i] < '0' || s.ptr[i] > '9')
                return false;
        }
        *ret = UINT64_MAX;
    }
    return rc == 0 || rc == -ERANGE;
}

/* Splits "bytes=first-last"; either may be empty. */
static bool split(struct lb_slice value, struct lb_slice *ret_first, struct lb_slice *ret_last) {
    struct lb_slice unit = LB_S("bytes=");
    if (!lb_slice_eq_nocase(lb_slice_first(value, unit.len), unit))
        return false;
    value = lb_slice_from(value, unit.len);
    *ret_first = lb_slice_cut(&value, '-');
    *ret_last = value;
    return value.ptr != NULL;
}

enum lb_range_result lb_range_apply(struct lb_slice value, uint64_t size, uint64_t *ret_off,
                                    uint64_t *ret_len) {
    struct lb_slice first, last;
    uint64_t from, to = UINT64_MAX;
    if (!split(value, &first, &last))
        return LB_RANGE_NONE;
    if (first.len == 0) {
        uint64_t suffix;
        if (!parse_position(last, &suffix))
            return LB_RANGE_NONE;
        if (suffix == 0 || size == 0)
            return LB_RANGE_UNSATISFIABLE;
        from = suffix < size ? size - suffix : 0;
    } else {
        if (!parse_position(first, &from) || (last.len && !parse_position(last, &to)) || from > to)
            return LB_RANGE_NONE;
        if (from >= size)
            return LB_RANGE_UNSATISFIABLE;
    }
    if (to > size - 1)
        to = size - 1;
    *ret_off = from;
    *ret_len = to - from + 1;
    return LB_RANGE_OK;
}

int lb_range_copy_source(struct lb_slice value, uint64_t size, uint64_t *ret_off,
                         uint64_t *ret_len) {
    struct lb_slice first, last;
    uint64_t from, to;
    if (!split(value, &first, &last) || lb_slice_to_u64(first, &from) < 0 ||
        lb_slice_to_u64(last, &to) < 0 || from > to)
        return LB_ERR_INVALID_RANGE_HEADER;
    if (to >= size)
        return LB_ERR_INVALID_RANGE;
    *ret_off = from;
    *ret_len = to - from + 1;
    return 0;
}

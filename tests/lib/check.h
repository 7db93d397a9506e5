/* cmocka with what it needs before it, and assertions on slices. */
#ifndef LB_TESTS_LIB_CHECK_H
#define LB_TESTS_LIB_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/slice.h"

#define CHECK_SLICE(actual, literal) check_slice(actual, LB_S(literal), #actual, __FILE__, __LINE__)

static inline void check_slice(struct lb_slice actual, struct lb_slice expected, const char *what,
                               const char *file, int line) {
    if (lb_slice_eq(actual, expected))
        return;
    print_error("%s is \"%.*s\", not \"%.*s\"\n", what, LB_SLICE_ARG(actual),
                LB_SLICE_ARG(expected));
    _fail(file, line);
}

/* A copy on the heap of exactly the slice's bytes, so that a read past its end is seen. */
static inline char *check_dup(struct lb_slice s) {
    char *p = malloc(s.len ? s.len : 1);
    assert_non_null(p);
    if (s.len)
        memcpy(p, s.ptr, s.len);
    return p;
}

#define CHECK_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif

/* Dates: what is parsed and written again parses to the same time; any time can be written. */
#include <assert.h>
#include <stdlib.h>

#include "base/civil.h"
#include "http/date.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int64_t t) {
    char text[LB_DATE_HTTP_LEN];
    int64_t back, ns;
    if (__builtin_mul_overflow(t, 1000000000, &ns))
        return;
    lb_date_http(ns, text);
    assert(lb_date_parse_http(lb_slice(text, LB_DATE_HTTP_LEN), &back) == 0 && back == t);
    lb_date_iso(ns, text);
    assert(lb_date_parse_iso(lb_slice(text, LB_DATE_ISO_LEN), &back) == 0 && back == t);
    lb_civil_basic(t, text);
    assert(lb_civil_parse_basic(lb_slice(text, LB_CIVIL_BASIC_LEN), &back) == 0 && back == t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int64_t t;
    char *copy = malloc(size + 1);
    memcpy(copy, data, size);
    struct lb_slice s = lb_slice(copy, size);
    if (lb_date_parse_http(s, &t) == 0)
        check(t);
    if (lb_civil_parse_basic(s, &t) == 0)
        check(t);
    if (lb_date_parse_iso(s, &t) == 0)
        check(t);
    if (size >= sizeof(t)) {
        char text[LB_DATE_HTTP_LEN];
        memcpy(&t, copy, sizeof(t));
        lb_date_http(t, text);
        lb_date_iso(t, text);
        check(t / 1000000000);
    }
    free(copy);
    return 0;
}

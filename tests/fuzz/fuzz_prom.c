/* Labels of any bytes: the line stays one line of UTF-8, and the value comes back as it was, but
 * for bytes that are no UTF-8. */
#include <assert.h>
#include <stdlib.h>

#include "metrics/prom.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Takes a label's value off s: what stands before the quote that ends it, unescaped. */
static void unescape(struct lb_slice *s, struct lb_buf *ret) {
    while (s->len && s->ptr[0] != '"') {
        char c = s->ptr[0];
        if (c == '\\') {
            *s = lb_slice_from(*s, 1);
            assert(s->len);
            c = s->ptr[0] == 'n' ? '\n' : s->ptr[0];
            assert(c == '\n' || c == '"' || c == '\\');
        }
        lb_buf_append_char(ret, c);
        *s = lb_slice_from(*s, 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *copy = malloc(size + 1);
    struct lb_buf out, value;
    if (size)
        memcpy(copy, data, size);
    const struct lb_prom_label label = {"l", lb_slice(copy, size)};
    lb_buf_init(&out, 16 * size + 64);
    lb_buf_init(&value, 16 * size + 64);
    lb_prom_value(&out, "m", &label, 1, 7);
    assert(out.err == 0);
    struct lb_slice line = lb_buf_slice(&out);
    assert(lb_slice_starts_with(line, LB_S("m{l=\"")) &&
           lb_slice_find(line, '\n') + 1 == (ptrdiff_t)line.len);
    line = lb_slice_from(line, 5);
    unescape(&line, &value);
    assert(lb_slice_eq(line, LB_S("\"} 7\n")));
    struct lb_slice was = label.value, now = lb_buf_slice(&value);
    while (was.len) {
        size_t n = lb_utf8_len(was);
        struct lb_slice expected = n ? lb_slice_first(was, n) : LB_S("\xef\xbf\xbd");
        assert(lb_slice_starts_with(now, expected));
        now = lb_slice_from(now, expected.len);
        was = lb_slice_from(was, n ? n : 1);
    }
    assert(now.len == 0);
    lb_buf_fini(&out);
    lb_buf_fini(&value);
    free(copy);
    return 0;
}

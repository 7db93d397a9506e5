#include "ctl/json.h"

#include <assert.h>
#include <math.h>

#include "base/civil.h"

void lb_json_init(struct lb_json *j, struct lb_buf *out) {
    *j = (struct lb_json){.out = out};
}

static void append_quoted(struct lb_buf *out, struct lb_slice s) {
    lb_buf_append_char(out, '"');
    while (s.len > 0) {
        size_t n = lb_utf8_len(s);
        unsigned char c = (unsigned char)s.ptr[0];
        bool c1 = n == 2 && c == 0xc2 && (unsigned char)s.ptr[1] < 0xa0; /* U+0080 to U+009F */
        if (n == 0) {
            lb_buf_append(out, LB_S("\xef\xbf\xbd"));
            n = 1;
        } else if (c == '"' || c == '\\') {
            lb_buf_append_char(out, '\\');
            lb_buf_append_char(out, (char)c);
        } else if (c < 0x20 || c == 0x7f || c1) {
            lb_buf_printf(out, "\\u%04x", c1 ? (unsigned char)s.ptr[1] : c);
        } else {
            lb_buf_append(out, lb_slice_first(s, n));
        }
        s = lb_slice_from(s, n);
    }
    lb_buf_append_char(out, '"');
}

static void newline(struct lb_json *j) {
    lb_buf_append_char(j->out, '\n');
    for (unsigned i = 0; i < j->depth; i++)
        lb_buf_append(j->out, LB_S("  "));
}

/* What stands before a value: a comma, the line's beginning, the name. */
static void begin(struct lb_json *j, const char *name) {
    if (j->depth == 0)
        return;
    assert(j->array[j->depth - 1] == !name);
    if (j->used[j->depth - 1])
        lb_buf_append_char(j->out, ',');
    j->used[j->depth - 1] = true;
    newline(j);
    if (name) {
        append_quoted(j->out, lb_slice_cstr(name));
        lb_buf_append(j->out, LB_S(": "));
    }
}

static void open(struct lb_json *j, const char *name, bool array) {
    begin(j, name);
    assert(j->depth < LB_JSON_DEPTH_MAX);
    lb_buf_append_char(j->out, array ? '[' : '{');
    j->used[j->depth] = false;
    j->array[j->depth] = array;
    j->depth++;
}

void lb_json_object(struct lb_json *j, const char *name) {
    open(j, name, false);
}

void lb_json_array(struct lb_json *j, const char *name) {
    open(j, name, true);
}

void lb_json_end(struct lb_json *j) {
    assert(j->depth > 0);
    j->depth--;
    if (j->used[j->depth])
        newline(j);
    lb_buf_append_char(j->out, j->array[j->depth] ? ']' : '}');
    if (j->depth == 0)
        lb_buf_append_char(j->out, '\n');
}

void lb_json_str(struct lb_json *j, const char *name, const char *value) {
    begin(j, name);
    if (value)
        append_quoted(j->out, lb_slice_cstr(value));
    else
        lb_buf_append(j->out, LB_S("null"));
}

void lb_json_u64(struct lb_json *j, const char *name, uint64_t value) {
    begin(j, name);
    lb_buf_append_u64(j->out, value);
}

void lb_json_double(struct lb_json *j, const char *name, double value) {
    begin(j, name);
    if (isfinite(value))
        lb_buf_printf(j->out, "%.3f", value);
    else
        lb_buf_append(j->out, LB_S("null"));
}

void lb_json_bool(struct lb_json *j, const char *name, bool value) {
    begin(j, name);
    lb_buf_append(j->out, value ? LB_S("true") : LB_S("false"));
}

void lb_json_time(struct lb_json *j, const char *name, int64_t seconds) {
    begin(j, name);
    if (seconds == 0) {
        lb_buf_append(j->out, LB_S("null"));
        return;
    }
    struct lb_civil t = lb_civil_from_seconds(seconds);
    lb_buf_printf(j->out, "\"%04lld-%02d-%02dT%02d:%02d:%02dZ\"", (long long)t.year, t.month, t.day,
                  t.hour, t.minute, t.second);
}

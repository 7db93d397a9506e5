/* Prometheus's text format: https://prometheus.io/docs/instrumenting/exposition_formats/ */
#include "metrics/prom.h"

static void append_cstr(struct lb_buf *out, const char *s) {
    lb_buf_append(out, lb_slice_cstr(s));
}

/* quoted: in a label's value, where '"' is escaped, too. */
static void append_escaped(struct lb_buf *out, struct lb_slice s, bool quoted) {
    while (s.len) {
        size_t n = lb_utf8_len(s);
        if (n == 0)
            lb_buf_append(out, LB_S("\xef\xbf\xbd")); /* U+FFFD in place of a byte that is none */
        else if (s.ptr[0] == '\\')
            lb_buf_append(out, LB_S("\\\\"));
        else if (s.ptr[0] == '\n')
            lb_buf_append(out, LB_S("\\n"));
        else if (s.ptr[0] == '"' && quoted)
            lb_buf_append(out, LB_S("\\\""));
        else
            lb_buf_append(out, lb_slice_first(s, n));
        s = lb_slice_from(s, n ? n : 1);
    }
}

static void append_seconds(struct lb_buf *out, uint64_t ns) {
    char digits[10] = ".000000000";
    uint64_t rest = ns % 1000000000u;
    size_t len = 0;
    for (size_t i = sizeof(digits) - 1; i > 0; i--, rest /= 10) {
        digits[i] = (char)('0' + rest % 10);
        if (len == 0 && rest % 10)
            len = i + 1;
    }
    lb_buf_append_u64(out, ns / 1000000000u);
    lb_buf_append(out, lb_slice(digits, len));
}

void lb_prom_begin(struct lb_buf *out, const char *name, enum lb_prom_type type, const char *help) {
    static const char *const types[] = {"counter", "gauge", "histogram"};
    append_cstr(out, "# HELP ");
    append_cstr(out, name);
    lb_buf_append_char(out, ' ');
    append_escaped(out, lb_slice_cstr(help), false);
    append_cstr(out, "\n# TYPE ");
    append_cstr(out, name);
    lb_buf_append_char(out, ' ');
    append_cstr(out, types[type]);
    lb_buf_append_char(out, '\n');
}

/* "name_suffix{labels,le="..."} ", all but the value. le: nanoseconds, UINT64_MAX for +Inf; NULL:
 * none. */
static void append_series(struct lb_buf *out, const char *name, const char *suffix,
                          const struct lb_prom_label *labels, size_t labels_n, const uint64_t *le) {
    char separator = '{';
    append_cstr(out, name);
    append_cstr(out, suffix);
    for (size_t i = 0; i < labels_n; i++) {
        lb_buf_append_char(out, separator);
        append_cstr(out, labels[i].name);
        lb_buf_append(out, LB_S("=\""));
        append_escaped(out, labels[i].value, true);
        lb_buf_append_char(out, '"');
        separator = ',';
    }
    if (le) {
        lb_buf_append_char(out, separator);
        lb_buf_append(out, LB_S("le=\""));
        if (*le == UINT64_MAX)
            lb_buf_append(out, LB_S("+Inf"));
        else
            append_seconds(out, *le);
        lb_buf_append_char(out, '"');
        separator = ',';
    }
    append_cstr(out, separator == ',' ? "} " : " ");
}

static void append_value(struct lb_buf *out, uint64_t v) {
    lb_buf_append_u64(out, v);
    lb_buf_append_char(out, '\n');
}

void lb_prom_value(struct lb_buf *out, const char *name, const struct lb_prom_label *labels,
                   size_t labels_n, uint64_t v) {
    append_series(out, name, "", labels, labels_n, NULL);
    append_value(out, v);
}

void lb_prom_seconds(struct lb_buf *out, const char *name, const struct lb_prom_label *labels,
                     size_t labels_n, uint64_t ns) {
    append_series(out, name, "", labels, labels_n, NULL);
    append_seconds(out, ns);
    lb_buf_append_char(out, '\n');
}

void lb_prom_histogram(struct lb_buf *out, const char *name, const struct lb_prom_label *labels,
                       size_t labels_n, const struct lb_histogram_sum *h) {
    uint64_t n = 0;
    for (size_t i = 0; i <= LB_HISTOGRAM_BOUNDS; i++) {
        uint64_t le = UINT64_MAX;
        if (i < LB_HISTOGRAM_BOUNDS)
            le = lb_histogram_bounds_us[i] * (uint64_t)1000;
        n += h->n[i];
        append_series(out, name, "_bucket", labels, labels_n, &le);
        append_value(out, n);
    }
    append_series(out, name, "_sum", labels, labels_n, NULL);
    append_seconds(out, h->sum_ns);
    lb_buf_append_char(out, '\n');
    append_series(out, name, "_count", labels, labels_n, NULL);
    append_value(out, n);
}

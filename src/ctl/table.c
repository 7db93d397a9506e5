#include "ctl/table.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define TABLE_SIZE_MAX ((size_t)1 << 30)

struct lb_table_row {
    struct lb_table_row *next;
    struct lb_slice cells[];
};

void lb_table_init(struct lb_table *t, const char *const *heads, const char *align) {
    *t = (struct lb_table){.heads = heads, .align = align, .columns = (unsigned)strlen(align)};
    assert(t->columns > 0 && t->columns <= LB_TABLE_COLUMNS_MAX);
    t->filled = t->columns;
    lb_arena_init(&t->arena, TABLE_SIZE_MAX);
}

void lb_table_fini(struct lb_table *t) {
    lb_arena_fini(&t->arena);
}

size_t lb_text_width(struct lb_slice s) {
    size_t width = 0;
    for (size_t i = 0; i < s.len; i++)
        width += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
    return width;
}

void lb_text_escape(struct lb_buf *out, struct lb_slice s) {
    while (s.len > 0) {
        size_t n = lb_utf8_len(s);
        unsigned char c = (unsigned char)s.ptr[0];
        /* U+0080 to U+009F are control characters, too. */
        bool c1 = n == 2 && c == 0xc2 && (unsigned char)s.ptr[1] < 0xa0;
        if (n == 0 || c1 || c < 0x20 || c == 0x7f) {
            lb_buf_printf(out, "\\x%02x", c);
            n = 1;
        } else {
            lb_buf_append(out, lb_slice_first(s, n));
        }
        s = lb_slice_from(s, n);
    }
}

static struct lb_table_row *new_row(struct lb_table *t) {
    struct lb_table_row *row =
        lb_arena_zalloc(&t->arena, sizeof(*row) + t->columns * sizeof(row->cells[0]));
    if (!row)
        return NULL;
    if (t->last)
        t->last->next = row;
    else
        t->first = row;
    t->last = row;
    t->rows_n++;
    t->filled = 0;
    return row;
}

void lb_table_cell(struct lb_table *t, const char *text) {
    struct lb_buf escaped;
    lb_buf_init(&escaped, TABLE_SIZE_MAX);
    lb_text_escape(&escaped, lb_slice_cstr(text));
    if ((t->filled == t->columns && !new_row(t)) || escaped.err ||
        lb_arena_copy(&t->arena, lb_buf_slice(&escaped), &t->last->cells[t->filled]) < 0)
        t->failed = true;
    else
        t->filled++;
    lb_buf_fini(&escaped);
}

void lb_table_cellf(struct lb_table *t, const char *format, ...) {
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&text, format, args);
    va_end(args);
    if (n < 0) {
        t->failed = true;
        return;
    }
    lb_table_cell(t, text);
    free(text);
}

static void print_row(const struct lb_table *t, const struct lb_slice *cells, const size_t *widths,
                      struct lb_buf *out) {
    size_t pending = 0; /* spaces that are written only before something */
    for (unsigned i = 0; i < t->columns; i++) {
        size_t missing = widths[i] - lb_text_width(cells[i]);
        if (t->align[i] == 'r')
            pending += missing;
        if (cells[i].len > 0) {
            lb_buf_printf(out, "%*s", (int)pending, "");
            pending = 0;
        }
        lb_buf_append(out, cells[i]);
        if (t->align[i] == 'l')
            pending += missing;
        pending += cells[i].len > 0 || widths[i] > 0 ? 2 : 0;
    }
    lb_buf_append_char(out, '\n');
}

void lb_table_print(const struct lb_table *t, struct lb_buf *out) {
    if (t->failed) {
        out->err = -ENOMEM;
        return;
    }
    assert(t->filled == t->columns);
    size_t widths[LB_TABLE_COLUMNS_MAX] = {0};
    struct lb_slice heads[LB_TABLE_COLUMNS_MAX];
    for (unsigned i = 0; i < t->columns && t->heads; i++) {
        heads[i] = lb_slice_cstr(t->heads[i]);
        widths[i] = lb_text_width(heads[i]);
    }
    for (const struct lb_table_row *row = t->first; row; row = row->next) {
        for (unsigned i = 0; i < t->columns; i++) {
            size_t width = lb_text_width(row->cells[i]);
            if (width > widths[i])
                widths[i] = width;
        }
    }
    if (t->heads)
        print_row(t, heads, widths, out);
    for (const struct lb_table_row *row = t->first; row; row = row->next)
        print_row(t, row->cells, widths, out);
}

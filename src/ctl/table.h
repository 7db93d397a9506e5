/* Text in columns, for a person: cells row by row, then printed aligned. */
#ifndef LB_CTL_TABLE_H
#define LB_CTL_TABLE_H

#include "base/arena.h"
#include "base/buf.h"

#define LB_TABLE_COLUMNS_MAX 12

struct lb_table_row;

struct lb_table {
    const char *const *heads; /* borrowed; NULL: no line of heads */
    const char *align;        /* one letter a column: l or r; borrowed */
    unsigned columns;
    unsigned filled; /* cells of the last row */
    bool failed;     /* memory ran out */
    size_t rows_n;
    struct lb_table_row *first, *last;
    struct lb_arena arena;
};

/* A table of strlen(align) columns. Borrows heads (of as many) and align. */
void lb_table_init(struct lb_table *t, const char *const *heads, const char *align);
void lb_table_fini(struct lb_table *t);

/* The next cell; a row ends by itself. Control characters and what is no UTF-8 are shown as \xNN,
 * so that no name plays with the terminal. */
void lb_table_cell(struct lb_table *t, const char *text);
void lb_table_cellf(struct lb_table *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Appends all rows, each on a line, columns two spaces apart; the last row must be whole. Without
 * memory for a cell, out gets the error. */
void lb_table_print(const struct lb_table *t, struct lb_buf *out);

/* Columns that a text takes on a terminal, a code point taking one. */
size_t lb_text_width(struct lb_slice s);

/* Appends a text the way cells are shown. */
void lb_text_escape(struct lb_buf *out, struct lb_slice s);

#endif

/* Writes one JSON document, indented by two spaces. What is opened must be closed; members of an
 * object have a name, elements of an array have none (NULL). */
#ifndef LB_CTL_JSON_H
#define LB_CTL_JSON_H

#include "base/buf.h"

#define LB_JSON_DEPTH_MAX 16

struct lb_json {
    struct lb_buf *out;
    unsigned depth;
    bool used[LB_JSON_DEPTH_MAX]; /* something was written at this depth */
    bool array[LB_JSON_DEPTH_MAX];
};

/* Begins a document. Borrows out, whose error tells at the end whether all of it was written. */
void lb_json_init(struct lb_json *j, struct lb_buf *out);

void lb_json_object(struct lb_json *j, const char *name);
void lb_json_array(struct lb_json *j, const char *name);
/* Closes what was opened last; the outermost one ends the document with a newline. */
void lb_json_end(struct lb_json *j);

/* Bytes that are no UTF-8 become U+FFFD. NULL writes null. */
void lb_json_str(struct lb_json *j, const char *name, const char *value);
void lb_json_u64(struct lb_json *j, const char *name, uint64_t value);
/* With three decimals; what is no finite number writes null. */
void lb_json_double(struct lb_json *j, const char *name, double value);
void lb_json_bool(struct lb_json *j, const char *name, bool value);
/* A time in seconds since 1970, as "2026-11-22T10:00:00Z"; 0 writes null. */
void lb_json_time(struct lb_json *j, const char *name, int64_t seconds);

#endif

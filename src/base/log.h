/* Structured logging: a line is a message and key=value fields, as text or as JSON. */
#ifndef LB_BASE_LOG_H
#define LB_BASE_LOG_H

#include "base/slice.h"

enum lb_log_level { LB_LOG_DEBUG, LB_LOG_INFO, LB_LOG_WARN, LB_LOG_ERROR };
enum lb_log_format { LB_LOG_TEXT, LB_LOG_JSON };

struct lb_log_field {
    const char *name;
    enum { LB_LOG_STR, LB_LOG_INT } kind;
    struct lb_slice str;
    int64_t num;
};

#define LB_LOG_S(field, value) ((struct lb_log_field){field, LB_LOG_STR, (value), 0})
#define LB_LOG_C(field, value) ((struct lb_log_field){field, LB_LOG_STR, lb_slice_cstr(value), 0})
#define LB_LOG_I(field, value) \
    ((struct lb_log_field){field, LB_LOG_INT, {NULL, 0}, (int64_t)(value)})

/* Where lines go and how. Any thread may log at any time; call this before there are others, and
 * lb_log_set_level at any time. */
void lb_log_setup(int fd, enum lb_log_format format, enum lb_log_level level);
void lb_log_set_level(enum lb_log_level level);
bool lb_log_on(enum lb_log_level level);
/* Lines that could not be written whole (a full disk, a pipe nobody reads) since the start. Any
 * thread. */
uint64_t lb_log_dropped(void);

/* Writes one line (at most 8 KiB, then cut), with one write(2). Field values are escaped: a line
 * never holds a raw control character. Never give it a secret, a signature or an Authorization
 * header. */
void lb_log_write(enum lb_log_level level, const char *message, const struct lb_log_field *fields,
                  size_t n);

#define LB_LOG_AT(level, message, ...)                                                     \
    do {                                                                                   \
        if (lb_log_on(level)) {                                                            \
            const struct lb_log_field lb_log_fields_[] = {LB_LOG_I("", 0), ##__VA_ARGS__}; \
            lb_log_write(level, message, lb_log_fields_ + 1,                               \
                         sizeof(lb_log_fields_) / sizeof(lb_log_fields_[0]) - 1);          \
        }                                                                                  \
    } while (0)

/* lb_debug("message", LB_LOG_S("key", key), LB_LOG_I("size", size)); */
#define lb_debug(message, ...) LB_LOG_AT(LB_LOG_DEBUG, message, ##__VA_ARGS__)
#define lb_info(message, ...) LB_LOG_AT(LB_LOG_INFO, message, ##__VA_ARGS__)
#define lb_warn(message, ...) LB_LOG_AT(LB_LOG_WARN, message, ##__VA_ARGS__)
#define lb_error(message, ...) LB_LOG_AT(LB_LOG_ERROR, message, ##__VA_ARGS__)

#endif

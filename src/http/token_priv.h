/* Classes of bytes in HTTP's grammar, and fast scanning by them. */
#ifndef LB_HTTP_TOKEN_PRIV_H
#define LB_HTTP_TOKEN_PRIV_H

#include "base/slice.h"

enum {
    LB_HTTP_TCHAR = 1,  /* RFC 9110, 5.6.2: of a method or a field name */
    LB_HTTP_TARGET = 2, /* of a request target: printable but '#'; bytes from 0x80 on are let by */
    LB_HTTP_HOST = 4,   /* of uri-host and port (RFC 3986, 3.2.2) but ',' */
};

extern const uint8_t lb_http_classes[256];

static inline bool lb_http_is(char c, int classes) {
    return (lb_http_classes[(uint8_t)c] & classes) != 0;
}

/* The first byte from p on that is not of the class; end when there is none. */
static inline const char *lb_http_skip(const char *p, const char *end, int classes) {
    while (p < end && lb_http_is(*p, classes))
        p++;
    return p;
}

/* May c stand in a field value (RFC 9110, 5.5)? */
static inline bool lb_http_is_text(char c) {
    return ((uint8_t)c >= 0x20 && c != 0x7f) || c == '\t';
}

/* The first byte from p on that may not stand in a field value; end when there is none. */
static inline const char *lb_http_skip_text(const char *p, const char *end) {
    const uint64_t ones = 0x0101010101010101u;
    while (p < end) {
        while (end - p >= 8) {
            uint64_t word, controls, del;
            memcpy(&word, p, 8);
            controls = (word - ones * 0x20) & ~word;
            del = word ^ ones * 0x7f;
            if ((controls | ((del - ones) & ~del)) & ones * 0x80)
                break;
            p += 8;
        }
        /* Within these eight stands a control character, or the end: look at each. */
        for (int i = 0; i < 8 && p < end; i++, p++) {
            if (!lb_http_is_text(*p))
                return p;
        }
    }
    return end;
}

static inline bool lb_http_all(struct lb_slice s, int classes) {
    return s.len == 0 || lb_http_skip(s.ptr, s.ptr + s.len, classes) == s.ptr + s.len;
}

static inline bool lb_http_all_text(struct lb_slice s) {
    return s.len == 0 || lb_http_skip_text(s.ptr, s.ptr + s.len) == s.ptr + s.len;
}

#endif

/* HTTP's chunked transfer coding, byte by byte but for the payload. */
#include "http/chunked.h"

#include "base/err.h"
#include "http/token_priv.h"

#define EXTRA_MAX 16384
#define DIGITS_MAX 16

enum state {
    CHUNK_SIZE, /* line_len digits were seen */
    CHUNK_SPACE,
    CHUNK_EXTENSION,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    TRAILER_START,
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    END_LF,
    DONE,
};

/* The state after c in a size line, or an error. */
static int size_line(struct lb_http_chunked *d, char c) {
    if (d->state == CHUNK_EXTENSION) {
        d->extra_len++;
        if (c == '\r')
            return CHUNK_SIZE_LF;
        return lb_http_is_text(c) ? CHUNK_EXTENSION : LB_ERR_BAD_REQUEST;
    }
    int digit = d->state == CHUNK_SIZE ? lb_hex_digit(c) : -1;
    if (digit >= 0) {
        if (d->line_len++ == DIGITS_MAX)
            return LB_ERR_BAD_REQUEST;
        d->left = d->left << 4 | (unsigned)digit;
        return d->left <= INT64_MAX ? CHUNK_SIZE : LB_ERR_BAD_REQUEST;
    }
    if (d->line_len == 0)
        return LB_ERR_BAD_REQUEST;
    d->extra_len += c != '\r';
    if (c == ' ' || c == '\t')
        return CHUNK_SPACE; /* only before ';': "bad" white space of RFC 9112, 7.1.1 */
    if (c == ';')
        return CHUNK_EXTENSION;
    return c == '\r' && d->state == CHUNK_SIZE ? CHUNK_SIZE_LF : LB_ERR_BAD_REQUEST;
}

/* The state after c in the trailer section, or an error. */
static int trailer(struct lb_http_chunked *d, char c) {
    d->extra_len++;
    switch (d->state) {
    case TRAILER_START:
        if (c == '\r')
            return END_LF;
        return lb_http_is(c, LB_HTTP_TCHAR) ? TRAILER_NAME : LB_ERR_BAD_REQUEST;
    case TRAILER_NAME:
        if (c == ':')
            return TRAILER_VALUE;
        return lb_http_is(c, LB_HTTP_TCHAR) ? TRAILER_NAME : LB_ERR_BAD_REQUEST;
    default:
        if (c == '\r')
            return TRAILER_LF;
        return lb_http_is_text(c) ? TRAILER_VALUE : LB_ERR_BAD_REQUEST;
    }
}

/* The state after a line's LF. */
static int after_lf(struct lb_http_chunked *d) {
    switch (d->state) {
    case CHUNK_SIZE_LF:
        d->line_len = 0;
        return d->left ? CHUNK_DATA : TRAILER_START;
    case CHUNK_DATA_LF:
        return CHUNK_SIZE;
    case TRAILER_LF:
        return TRAILER_START;
    default:
        return DONE;
    }
}

static int step(struct lb_http_chunked *d, char c) {
    switch (d->state) {
    case CHUNK_SIZE:
    case CHUNK_SPACE:
    case CHUNK_EXTENSION:
        return size_line(d, c);
    case CHUNK_DATA_CR:
        return c == '\r' ? CHUNK_DATA_LF : LB_ERR_BAD_REQUEST;
    case TRAILER_START:
    case TRAILER_NAME:
    case TRAILER_VALUE:
        return trailer(d, c);
    default:
        return c == '\n' ? after_lf(d) : LB_ERR_BAD_REQUEST;
    }
}

int lb_http_chunked_decode(struct lb_http_chunked *d, char *data, size_t n, size_t *ret_used,
                           size_t *ret_len) {
    size_t at = 0, len = 0;
    while (at < n && d->state != DONE) {
        if (d->state == CHUNK_DATA) {
            size_t take = d->left < n - at ? (size_t)d->left : n - at;
            if (len != at)
                memmove(data + len, data + at, take);
            len += take;
            at += take;
            d->left -= take;
            if (d->left == 0)
                d->state = CHUNK_DATA_CR;
            continue;
        }
        int state = step(d, data[at]);
        if (state < 0)
            return state;
        d->state = state;
        if (d->extra_len > EXTRA_MAX)
            return LB_ERR_BAD_REQUEST;
        at++;
    }
    *ret_used = at;
    *ret_len = len;
    return d->state == DONE;
}

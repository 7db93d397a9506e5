/* Reading replies, as cheaply as can be: a small read for the head, and bodies dropped by the
 * kernel (MSG_TRUNC), which never copies them here. It trusts the server to speak HTTP. */
#include "bench.h"

#include <errno.h>
#include <sys/socket.h>

#define HEAD_READ 1024 /* what is read at once while the head is incomplete */

void bench_reply_begin(struct bench_reply *r) {
    r->state = BENCH_REPLY_HEAD;
    r->head_len = 0;
    r->status = 0;
    r->close = false;
    r->left = 0;
    r->chunk_state = 0;
    r->body_bytes = 0;
}

struct lb_slice bench_reply_header(const struct bench_reply *r, struct lb_slice name) {
    struct lb_slice rest = lb_slice(r->head, r->head_len);
    while (rest.len) {
        struct lb_slice line = lb_slice_cut(&rest, '\n');
        struct lb_slice field = lb_slice_cut(&line, ':');
        if (lb_slice_eq_nocase(field, name) && line.len)
            return lb_slice_trim(lb_slice_first(line, line.len - 1)); /* without the CR */
    }
    return lb_slice(NULL, 0);
}

/* Where the chunked coding stands. */
enum { CHUNK_SIZE, CHUNK_EXTENSION, CHUNK_DATA, CHUNK_DATA_END, CHUNK_LAST };

/* Takes one byte outside of chunk data. Returns 1 at the end of the body. */
static int chunk_byte(struct bench_reply *r, char c) {
    switch (r->chunk_state) {
    case CHUNK_SIZE:
        if (lb_hex_digit(c) >= 0) {
            r->left = r->left << 4 | (uint64_t)lb_hex_digit(c);
            return 0;
        }
        r->chunk_state = CHUNK_EXTENSION;
        /* fall through */
    case CHUNK_EXTENSION:
        if (c == '\n')
            r->chunk_state = r->left ? CHUNK_DATA : CHUNK_LAST;
        return 0;
    case CHUNK_DATA_END:
        if (c == '\n')
            r->chunk_state = CHUNK_SIZE;
        return 0;
    default: /* trailers are not expected: the next line is the empty one */
        return c == '\n';
    }
}

static int chunks_take(struct bench_reply *r, struct lb_slice data) {
    while (data.len) {
        if (r->chunk_state == CHUNK_DATA) {
            size_t n = data.len < r->left ? data.len : r->left;
            data = lb_slice_from(data, n);
            r->body_bytes += n;
            r->left -= n;
            if (r->left == 0)
                r->chunk_state = CHUNK_DATA_END;
        } else {
            if (chunk_byte(r, data.ptr[0]))
                return data.len == 1 ? 1 : -EPROTO;
            data = lb_slice_from(data, 1);
        }
    }
    return 0;
}

/* Understands the head; rest: bytes that came behind it. Returns as bench_reply_read. */
static int head_done(struct bench_reply *r, struct lb_slice rest, bool head_only) {
    if (r->head_len < 12 || memcmp(r->head, "HTTP/1.", 7) != 0)
        return -EPROTO;
    uint64_t status, length = 0;
    if (lb_slice_to_u64(lb_slice(r->head + 9, 3), &status) < 0)
        return -EPROTO;
    r->status = (int)status;
    r->close = lb_slice_eq_nocase(bench_reply_header(r, LB_S("connection")), LB_S("close"));
    if (head_only || status == 204 || status == 304)
        return rest.len ? -EPROTO : 1;
    if (bench_reply_header(r, LB_S("transfer-encoding")).len) {
        r->state = BENCH_REPLY_CHUNKS;
        return chunks_take(r, rest);
    }
    if (lb_slice_to_u64(bench_reply_header(r, LB_S("content-length")), &length) < 0 ||
        rest.len > length)
        return -EPROTO;
    r->state = BENCH_REPLY_BODY;
    r->left = length - rest.len;
    r->body_bytes = rest.len;
    return r->left == 0;
}

/* Takes n bytes that were read behind the head so far. */
static int head_take(struct bench_reply *r, size_t n, bool head_only) {
    size_t from = r->head_len > 3 ? r->head_len - 3 : 0;
    size_t len = r->head_len + n;
    ptrdiff_t at = lb_slice_find_slice(lb_slice(r->head + from, len - from), LB_S("\r\n\r\n"));
    if (at < 0) {
        r->head_len = len;
        return len + HEAD_READ > sizeof(r->head) ? -EPROTO : 0;
    }
    r->head_len = from + (size_t)at + 4;
    return head_done(r, lb_slice(r->head + r->head_len, len - r->head_len), head_only);
}

/* One recv. Returns as bench_reply_read, and in *ret_drained whether the socket is empty. */
static int read_once(struct bench_reply *r, int fd, bool head_only, bool *ret_drained) {
    char chunks[65536];
    void *to = chunks;
    size_t want = sizeof(chunks);
    int flags = 0;
    if (r->state == BENCH_REPLY_HEAD) {
        to = r->head + r->head_len;
        want = HEAD_READ;
    } else if (r->state == BENCH_REPLY_BODY) {
        to = NULL;
        want = r->left;
        flags = MSG_TRUNC;
    }
    ssize_t n = recv(fd, to, want, flags);
    if (n < 0) {
        *ret_drained = true;
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    }
    if (n == 0)
        return -ECONNRESET;
    *ret_drained = (size_t)n < want;
    switch (r->state) {
    case BENCH_REPLY_HEAD:
        return head_take(r, (size_t)n, head_only);
    case BENCH_REPLY_BODY:
        r->left -= (uint64_t)n;
        r->body_bytes += (uint64_t)n;
        return r->left == 0;
    default:
        return chunks_take(r, lb_slice(chunks, (size_t)n));
    }
}

int bench_reply_read(struct bench_reply *r, int fd, bool head_only) {
    for (;;) {
        bool drained = false;
        int done = read_once(r, fd, head_only, &drained);
        if (done || drained)
            return done;
    }
}

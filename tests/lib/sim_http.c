/* See sim_http.h. */
#include "sim_http.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define OUT_MAX (4u << 20)
#define IN_MAX (4u << 20)
#define PIECE 1777u /* of a body in chunks */

const struct sockaddr_storage sim_http_address = {.ss_family = AF_INET};
const socklen_t sim_http_address_len = sizeof(struct sockaddr_in);

void sim_http_init(struct sim_http *h, struct sim *sim) {
    memset(h, 0, sizeof(*h));
    h->sim = sim;
    lb_buf_init(&h->out, OUT_MAX);
    lb_buf_init(&h->in, IN_MAX);
}

static void disconnect(struct sim_http *h) {
    if (h->conn)
        sim_conn_close(h->conn);
    h->conn = NULL;
}

void sim_http_fini(struct sim_http *h) {
    disconnect(h);
    lb_buf_fini(&h->out);
    lb_buf_fini(&h->in);
}

void sim_http_start(struct sim_http *h, const char *method_target, const char *headers,
                    struct lb_slice body, bool chunked) {
    assert(!h->busy);
    lb_buf_clear(&h->out);
    lb_buf_clear(&h->in);
    h->out_at = 0;
    h->busy = true;
    h->broken = false;
    h->head = strncmp(method_target, "HEAD ", 5) == 0;
    lb_buf_printf(&h->out, "%s HTTP/1.1\r\nHost: localhost\r\n%s", method_target, headers);
    if (!chunked) {
        lb_buf_printf(&h->out, "Content-Length: %zu\r\n\r\n", body.len);
        lb_buf_append(&h->out, body);
    } else {
        lb_buf_append(&h->out, LB_S("Transfer-Encoding: chunked\r\n\r\n"));
        for (size_t at = 0; at < body.len; at += PIECE) {
            struct lb_slice piece = lb_slice_first(lb_slice_from(body, at), PIECE);
            lb_buf_printf(&h->out, "%zx\r\n", piece.len);
            lb_buf_append(&h->out, piece);
            lb_buf_append(&h->out, LB_S("\r\n"));
        }
        lb_buf_append(&h->out, LB_S("0\r\n\r\n"));
    }
    assert(!h->out.err);
}

struct lb_slice sim_http_header(const struct sim_http *h, struct lb_slice name) {
    struct lb_slice rest = h->headers;
    while (rest.len > 0) {
        struct lb_slice line = lb_slice_cut(&rest, '\n');
        struct lb_slice key = lb_slice_cut(&line, ':');
        if (lb_slice_eq_nocase(key, name))
            return lb_slice_trim(lb_slice_first(line, line.len - (line.len > 0)));
    }
    return (struct lb_slice){0};
}

/* Is the response whole? Interim ones are dropped. */
static bool parse(struct sim_http *h) {
    struct lb_slice all = lb_buf_slice(&h->in);
    uint64_t status, length = 0;
    ptrdiff_t end = lb_slice_find_slice(all, LB_S("\r\n\r\n"));
    if (end < 0)
        return false;
    assert(lb_slice_starts_with(all, LB_S("HTTP/1.1 ")));
    assert(lb_slice_to_u64(lb_slice(all.ptr + 9, 3), &status) == 0);
    h->status = (int)status;
    if (status == 100) {
        size_t skip = (size_t)end + 4;
        memmove(h->in.ptr, h->in.ptr + skip, h->in.len - skip);
        h->in.len -= skip;
        return parse(h);
    }
    h->headers = lb_slice_first(all, (size_t)end + 2);
    struct lb_slice value = sim_http_header(h, LB_S("Content-Length"));
    if (value.ptr)
        assert(lb_slice_to_u64(value, &length) == 0);
    if (h->head || status == 204 || status == 304)
        length = 0;
    h->body = lb_slice_from(all, (size_t)end + 4);
    assert(h->body.len <= length);
    return h->body.len == length;
}

static void finished(struct sim_http *h, bool broken) {
    h->busy = false;
    h->broken = broken;
    struct lb_slice close = broken ? LB_S("close") : sim_http_header(h, LB_S("Connection"));
    if (lb_slice_eq_nocase(close, LB_S("close")) || h->out_at < h->out.len)
        disconnect(h);
}

/* Sends what the buffer takes. A server that answers early may close: the answer counts. */
static void send_some(struct sim_http *h) {
    struct lb_slice left = lb_slice_from(lb_buf_slice(&h->out), h->out_at);
    int64_t n = left.len ? sim_conn_write(h->conn, left.ptr, left.len) : 0;
    if (n > 0)
        h->out_at += (size_t)n;
}

bool sim_http_poll(struct sim_http *h) {
    if (!h->busy)
        return true;
    if (!h->conn)
        h->conn =
            sim_connect(h->sim, (const struct sockaddr *)&sim_http_address, sim_http_address_len);
    assert(h->conn);
    send_some(h);
    for (;;) {
        char *to = lb_buf_reserve(&h->in, 4096);
        assert(to);
        int64_t n = sim_conn_read(h->conn, to, 4096);
        if (n == -EAGAIN)
            return false;
        if (n <= 0) {
            finished(h, true);
            return true;
        }
        h->in.len += (size_t)n;
        if (parse(h)) {
            finished(h, false);
            return true;
        }
    }
}

void sim_http_reset(struct sim_http *h) {
    if (h->conn)
        sim_conn_reset(h->conn);
    h->conn = NULL;
    h->busy = false;
    h->broken = true;
}

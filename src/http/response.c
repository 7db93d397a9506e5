/* Writes the head of a response. */
#include "http/response.h"

#include "http/date.h"

static const struct {
    int status;
    const char *text;
} statuses[] = {
    {100, "Continue"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

const char *lb_http_status_text(int status) {
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        if (statuses[i].status == status)
            return statuses[i].text;
    }
    return "Unknown";
}

void lb_http_header_add(struct lb_buf *headers, struct lb_slice name, struct lb_slice value) {
    char *to = lb_buf_reserve(headers, name.len + value.len + 4);
    if (!to)
        return;
    memcpy(to, name.ptr, name.len);
    to += name.len;
    *to++ = ':';
    *to++ = ' ';
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        *to++ = c == '\r' || c == '\n' || c == '\0' ? ' ' : c;
    }
    *to++ = '\r';
    *to++ = '\n';
    headers->len += name.len + value.len + 4;
}

void lb_http_header_add_u64(struct lb_buf *headers, struct lb_slice name, uint64_t value) {
    lb_buf_append(headers, name);
    lb_buf_append(headers, LB_S(": "));
    lb_buf_append_u64(headers, value);
    lb_buf_append(headers, LB_S("\r\n"));
}

static void append_date(struct lb_buf *b, int64_t wall_ns) {
    char line[] = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: lobos\r\n";
    lb_date_http(wall_ns, line + sizeof("Date: ") - 1);
    lb_buf_append(b, lb_slice(line, sizeof(line) - 1));
}

void lb_http_response_head(struct lb_buf *b, int status, struct lb_slice headers, uint64_t length,
                           bool keep_alive, int minor_version, int64_t wall_ns) {
    bool bodyless = status < 200 || status == 204 || status == 304;
    lb_buf_append(b, LB_S("HTTP/1.1 "));
    lb_buf_append_u64(b, (uint64_t)status);
    lb_buf_append_char(b, ' ');
    lb_buf_append(b, lb_slice_cstr(lb_http_status_text(status)));
    lb_buf_append(b, LB_S("\r\n"));
    if (status >= 200) {
        append_date(b, wall_ns);
        if (!keep_alive)
            lb_buf_append(b, LB_S("Connection: close\r\n"));
        else if (minor_version == 0)
            lb_buf_append(b, LB_S("Connection: keep-alive\r\n"));
    }
    if (!bodyless)
        lb_http_header_add_u64(b, LB_S("Content-Length"), length);
    lb_buf_append(b, headers);
    lb_buf_append(b, LB_S("\r\n"));
}

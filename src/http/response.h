/* The head of a response. */
#ifndef LB_HTTP_RESPONSE_H
#define LB_HTTP_RESPONSE_H

#include "base/buf.h"
#include "http/exchange.h"

/* "OK" for 200 and so on; "Unknown" for a status that is not in the registry. Static. */
const char *lb_http_status_text(int status);

/* Adds "Name: value\r\n" to a header block. A CR, LF or NUL in value is replaced by a space: no
 * response splitting. */
void lb_http_header_add(struct lb_buf *headers, struct lb_slice name, struct lb_slice value);
void lb_http_header_add_u64(struct lb_buf *headers, struct lb_slice name, uint64_t value);

/* Appends the whole head: status line, Date, Server, Connection (when close, or for HTTP/1.0
 * keep-alive), Content-Length, then `headers`, then the empty line. 1xx, 204 and 304 get no length
 * (RFC 9110, 8.6), and 1xx nothing but `headers`. wall_ns: now. */
void lb_http_response_head(struct lb_buf *b, int status, struct lb_slice headers, uint64_t length,
                           bool keep_alive, int minor_version, int64_t wall_ns);

#endif

/* Body framings: HTTP chunked (RFC 9112, 7.1) and aws-chunked (SigV4 streaming). Sans I/O. */
#ifndef LB_HTTP_CHUNKED_H
#define LB_HTTP_CHUNKED_H

#include "base/slice.h"

/* Decodes HTTP's chunked coding. Trailer fields are checked and dropped. */
struct lb_http_chunked {
    int state;
    uint64_t left;      /* bytes of the current chunk still to come */
    uint32_t line_len;  /* bytes of the current line, bounded */
    uint32_t extra_len; /* bytes of extensions and trailers so far, bounded (16 KiB) */
};

/* Zero a decoder to begin. Decodes data in place: the payload found in it is moved together to
 * data's start; *ret_used is how many bytes of data were consumed (less than n only when the body
 * ended within it), *ret_len the payload bytes now at data[0]. Returns 1 when the body is complete,
 * 0 when more is needed, BAD_REQUEST when malformed (bad size, more than 16 hexadecimal digits,
 * bare LF, missing CRLF). */
int lb_http_chunked_decode(struct lb_http_chunked *d, char *data, size_t n, size_t *ret_used,
                           size_t *ret_len);

/* Decodes aws-chunked: "size[;chunk-signature=hex]\r\n" data "\r\n" ...
 * "0[;chunk-signature=hex]\r\n" [trailer lines] "\r\n". It yields events, since chunk signatures
 * cover whole chunks. */
enum lb_aws_chunk_event {
    LB_AWS_CHUNK_MORE,  /* all input used; give more */
    LB_AWS_CHUNK_BEGIN, /* a chunk of `chunk_len` bytes begins (0: the last); `signature` holds its
                           64 digits or is empty */
    LB_AWS_CHUNK_DATA,  /* `data` is payload, borrowed from the input */
    LB_AWS_CHUNK_END,   /* the chunk's data is complete: verify now. Comes for every chunk, the last
                           one too */
    LB_AWS_CHUNK_TRAILER, /* one trailer field in `name`, `value` (borrowed from the decoder, until
                             the next call) */
    LB_AWS_CHUNK_DONE,    /* the body is complete */
};

#define LB_AWS_CHUNK_LINE_MAX 1024

struct lb_aws_chunked {
    int state;
    uint64_t left;
    uint64_t chunk_len;
    struct lb_slice data;
    struct lb_slice name, value;
    char signature[65];
    uint32_t line_len;
    uint32_t trailers_n; /* at most 16 */
    char line[LB_AWS_CHUNK_LINE_MAX];
};

/* Zero a decoder to begin. Consumes from *in (advancing it) up to the next event, which it returns;
 * or INVALID_CHUNK (bad size line, bad signature form, missing CRLF), MALFORMED_TRAILER; after an
 * error the decoder must not be used. A trailer's line may end in LF alone, and a CRLF right behind
 * it then belongs to it, as some SDKs send ("name:value\n\r\n"). After DONE the input must be
 * empty. */
int lb_aws_chunked_next(struct lb_aws_chunked *d, struct lb_slice *in);

#endif

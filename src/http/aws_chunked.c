/* aws-chunked, the framing of SigV4's streaming bodies. Lines are gathered in the decoder, since
 * they may come in pieces; payload is passed through. */
#include "base/err.h"
#include "http/chunked.h"
#include "http/token_priv.h"

#define DIGITS_MAX 16
#define SIGNATURE_LEN 64
#define TRAILERS_MAX 16

enum state {
    SIZE_LINE,
    DATA,
    DATA_CRLF,
    LAST_END, /* the last chunk has begun and is yet to end */
    TRAILER,
    TRAILER_AFTER_LF, /* the trailer before ended in LF alone: a CRLF here belongs to it */
    DONE,
};

/* Moves bytes of in through the next LF to the line. Returns 1 when the line is whole, 0 when more
 * is needed, -1 when it is too long. */
static int gather_line(struct lb_aws_chunked *d, struct lb_slice *in) {
    ptrdiff_t lf = lb_slice_find(*in, '\n');
    size_t take = lf < 0 ? in->len : (size_t)lf + 1;
    if (take > sizeof(d->line) - d->line_len)
        return -1;
    if (take)
        memcpy(d->line + d->line_len, in->ptr, take);
    d->line_len += (uint32_t)take;
    *in = lb_slice_from(*in, take);
    return lf >= 0;
}

static bool parse_size(struct lb_slice s, uint64_t *ret) {
    uint64_t v = 0;
    if (s.len == 0 || s.len > DIGITS_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        int digit = lb_hex_digit(s.ptr[i]);
        if (digit < 0)
            return false;
        v = v << 4 | (unsigned)digit;
    }
    *ret = v;
    return v <= INT64_MAX;
}

/* "size" or "size;chunk-signature=" and 64 hexadecimal digits. */
static int on_size_line(struct lb_aws_chunked *d) {
    struct lb_slice rest = lb_slice(d->line, d->line_len);
    d->line_len = 0;
    d->signature[0] = '\0';
    if (!lb_slice_ends_with(rest, LB_S("\r\n")))
        return LB_ERR_INVALID_CHUNK;
    rest.len -= 2;
    struct lb_slice size = lb_slice_cut(&rest, ';');
    if (!parse_size(size, &d->chunk_len))
        return LB_ERR_INVALID_CHUNK;
    if (rest.ptr) {
        uint8_t bytes[SIGNATURE_LEN / 2];
        struct lb_slice name = LB_S("chunk-signature=");
        if (!lb_slice_starts_with(rest, name))
            return LB_ERR_INVALID_CHUNK;
        rest = lb_slice_from(rest, name.len);
        if (lb_hex_decode(rest, bytes, sizeof(bytes)) < 0)
            return LB_ERR_INVALID_CHUNK;
        memcpy(d->signature, rest.ptr, SIGNATURE_LEN);
        d->signature[SIGNATURE_LEN] = '\0';
    }
    d->left = d->chunk_len;
    d->state = d->chunk_len ? DATA : LAST_END;
    return LB_AWS_CHUNK_BEGIN;
}

static int on_trailer_line(struct lb_aws_chunked *d) {
    struct lb_slice line = lb_slice(d->line, d->line_len - 1);
    bool lf_alone = !lb_slice_ends_with(line, LB_S("\r"));
    bool after_lf = d->state == TRAILER_AFTER_LF;
    line.len -= !lf_alone;
    d->line_len = 0;
    d->state = lf_alone ? TRAILER_AFTER_LF : TRAILER;
    if (line.len == 0) {
        if (lf_alone)
            return LB_ERR_MALFORMED_TRAILER;
        if (after_lf)
            return LB_AWS_CHUNK_MORE;
        d->state = DONE;
        return LB_AWS_CHUNK_DONE;
    }
    struct lb_slice value = line;
    struct lb_slice name = lb_slice_cut(&value, ':');
    if (name.len == 0 || !value.ptr || !lb_http_all(name, LB_HTTP_TCHAR) ||
        !lb_http_all_text(value) || d->trailers_n == TRAILERS_MAX)
        return LB_ERR_MALFORMED_TRAILER;
    d->trailers_n++;
    d->name = name;
    d->value = lb_slice_trim(value);
    return LB_AWS_CHUNK_TRAILER;
}

static int on_data(struct lb_aws_chunked *d, struct lb_slice *in) {
    d->data = lb_slice_first(*in, d->left < in->len ? (size_t)d->left : in->len);
    *in = lb_slice_from(*in, d->data.len);
    d->left -= d->data.len;
    if (d->left == 0)
        d->state = DATA_CRLF;
    return LB_AWS_CHUNK_DATA;
}

/* The CRLF behind a chunk's data; line_len counts how much of it was seen. */
static int on_data_crlf(struct lb_aws_chunked *d, struct lb_slice *in) {
    if (in->ptr[0] != "\r\n"[d->line_len])
        return LB_ERR_INVALID_CHUNK;
    *in = lb_slice_from(*in, 1);
    if (++d->line_len < 2)
        return LB_AWS_CHUNK_MORE;
    d->line_len = 0;
    d->state = SIZE_LINE;
    return LB_AWS_CHUNK_END;
}

static int on_line(struct lb_aws_chunked *d, struct lb_slice *in) {
    int whole = gather_line(d, in);
    if (whole == 0)
        return LB_AWS_CHUNK_MORE;
    if (d->state == SIZE_LINE)
        return whole < 0 ? LB_ERR_INVALID_CHUNK : on_size_line(d);
    return whole < 0 ? LB_ERR_MALFORMED_TRAILER : on_trailer_line(d);
}

int lb_aws_chunked_next(struct lb_aws_chunked *d, struct lb_slice *in) {
    if (d->state == LAST_END) {
        d->state = TRAILER;
        return LB_AWS_CHUNK_END;
    }
    if (d->state == DONE)
        return LB_AWS_CHUNK_DONE;
    int event = LB_AWS_CHUNK_MORE;
    while (event == LB_AWS_CHUNK_MORE && in->len > 0) {
        if (d->state == DATA)
            event = on_data(d, in);
        else if (d->state == DATA_CRLF)
            event = on_data_crlf(d, in);
        else
            event = on_line(d, in);
    }
    return event;
}

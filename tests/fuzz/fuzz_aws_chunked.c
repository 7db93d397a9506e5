/* aws-chunked: the events of the input in two pieces, split where the first byte says, equal those
 * of the whole. */
#include <assert.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "http/chunked.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Feeds a piece and writes down what came of it; returns the last event. */
static int feed(struct lb_aws_chunked *d, struct lb_slice piece, struct lb_buf *notes) {
    char *copy = malloc(piece.len + 1);
    memcpy(copy, piece.ptr, piece.len);
    struct lb_slice in = lb_slice(copy, piece.len);
    int event;
    do {
        event = lb_aws_chunked_next(d, &in);
        if (event != LB_AWS_CHUNK_DATA && event != LB_AWS_CHUNK_MORE)
            lb_buf_printf(notes, "\n%d ", event);
        if (event == LB_AWS_CHUNK_BEGIN)
            lb_buf_printf(notes, "%llu %s", (unsigned long long)d->chunk_len, d->signature);
        if (event == LB_AWS_CHUNK_DATA)
            lb_buf_append(notes, d->data);
        if (event == LB_AWS_CHUNK_TRAILER) {
            assert(d->name.len > 0 && lb_slice_find(d->value, '\n') < 0);
            lb_buf_append(notes, d->name);
            lb_buf_append(notes, d->value);
        }
    } while (event > LB_AWS_CHUNK_MORE && event != LB_AWS_CHUNK_DONE);
    assert(event >= 0 || event == LB_ERR_INVALID_CHUNK || event == LB_ERR_MALFORMED_TRAILER);
    assert(event != LB_AWS_CHUNK_MORE || in.len == 0);
    free(copy);
    return event;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2)
        return 0;
    struct lb_slice in = lb_slice(data + 1, size - 1);
    size_t split = data[0] * in.len / 256;
    struct lb_aws_chunked a = {0}, b = {0};
    struct lb_buf whole, parts;
    lb_buf_init(&whole, 1 << 24);
    lb_buf_init(&parts, 1 << 24);
    int event = feed(&a, in, &whole);
    int first = feed(&b, lb_slice_first(in, split), &parts);
    if (first == LB_AWS_CHUNK_MORE)
        first = feed(&b, lb_slice_from(in, split), &parts);
    assert(first == event && lb_slice_eq(lb_buf_slice(&whole), lb_buf_slice(&parts)));
    lb_buf_fini(&whole);
    lb_buf_fini(&parts);
    return 0;
}

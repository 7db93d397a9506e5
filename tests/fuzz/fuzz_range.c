/* A Range value behind eight bytes of size: what is satisfied lies inside the object. */
#include <assert.h>
#include <stdlib.h>

#include "base/err.h"
#include "http/range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint64_t object_size, off, len, copy_off, copy_len;
    if (size < sizeof(object_size))
        return 0;
    memcpy(&object_size, data, sizeof(object_size));
    size_t n = size - sizeof(object_size);
    char *copy = malloc(n + 1);
    memcpy(copy, data + sizeof(object_size), n);
    struct lb_slice value = lb_slice(copy, n);
    enum lb_range_result result = lb_range_apply(value, object_size, &off, &len);
    if (result == LB_RANGE_OK)
        assert(len > 0 && off < object_size && len <= object_size - off);
    int rc = lb_range_copy_source(value, object_size, &copy_off, &copy_len);
    assert(rc == 0 || rc == LB_ERR_INVALID_RANGE_HEADER ||
           (rc == LB_ERR_INVALID_RANGE && result != LB_RANGE_NONE));
    if (rc == 0)
        assert(result == LB_RANGE_OK && copy_off == off && copy_len == len);
    free(copy);
    return 0;
}

/* The settings blob of a bucket: any bytes decode; what came of them encodes to what decodes to the
 * same. */
#include <assert.h>
#include <stdlib.h>

#include "s3/bucket_settings.h"
#include "s3/tagging_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_tags(struct lb_slice tags) {
    struct lb_arena arena;
    struct s3_meta_pair *pairs;
    struct lb_buf again;
    size_t n;
    lb_arena_init(&arena, 1u << 20);
    if (s3_bucket_tags_decode(&arena, tags, &pairs, &n) == 0) {
        lb_buf_init(&again, 1u << 20);
        s3_bucket_tags_encode(pairs, n, &again);
        assert(lb_slice_eq(lb_buf_slice(&again), tags));
        lb_buf_fini(&again);
    }
    lb_arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct lb_s3_bucket_settings s, t;
    struct lb_buf once, twice;
    char *copy = malloc(size ? size : 1);
    if (!copy)
        return 0;
    if (size)
        memcpy(copy, data, size);
    lb_s3_bucket_settings_decode(lb_slice(copy, size), &s);
    assert(s.acl < LB_S3_ACLS);
    check_tags(s.tags);
    lb_buf_init(&once, 1u << 20);
    lb_buf_init(&twice, 1u << 20);
    lb_s3_bucket_settings_encode(&s, &once);
    lb_s3_bucket_settings_decode(lb_buf_slice(&once), &t);
    lb_s3_bucket_settings_encode(&t, &twice);
    assert(lb_slice_eq(lb_buf_slice(&once), lb_buf_slice(&twice)));
    lb_buf_fini(&once);
    lb_buf_fini(&twice);
    free(copy);
    return 0;
}

/* AccessControlPolicy documents: what is read is written to what reads as the same. */
#include <assert.h>
#include <stdlib.h>

#include "s3/acl_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct lb_slice owner = LB_S("lobos");
    struct lb_arena arena;
    struct lb_buf again;
    enum lb_s3_acl acl = LB_S3_ACLS, same = LB_S3_ACLS;
    char *copy = malloc(size ? size : 1);
    if (!copy)
        return 0;
    if (size)
        memcpy(copy, data, size);
    lb_arena_init(&arena, 16u << 20);
    if (s3_acl_parse_document(&arena, lb_slice(copy, size), owner, &acl) == 0) {
        assert(acl < LB_S3_ACLS);
        lb_buf_init(&again, 65536);
        s3_acl_write_document(&again, acl, owner, owner);
        assert(s3_acl_parse_document(&arena, lb_buf_slice(&again), owner, &same) == 0);
        assert(same == acl);
        lb_buf_fini(&again);
    }
    lb_arena_fini(&arena);
    free(copy);
    return 0;
}

/* XML in: the tree that is read is well linked and within its bounds; written out and read again it
 * is the same. */
#include <assert.h>
#include <stdlib.h>

#include "base/err.h"
#include "s3/xml_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t write_out(struct lb_buf *b, const struct s3_xml *node, unsigned depth) {
    size_t n = 1;
    assert(depth <= S3_XML_DEPTH_MAX && node->name.ptr[node->name.len] == '\0');
    if (node->name.len == 0 || !strcmp(node->name.ptr, "xmlns"))
        b->err = -1; /* fine without its prefix, but no name by itself */
    s3_xml_open(b, node->name.ptr);
    s3_xml_escape(b, node->text);
    for (const struct s3_xml *c = node->child; c; c = c->next) {
        assert(c->parent == node && (c->next || node->last == c));
        assert(s3_xml_child(node, c->name));
        n += write_out(b, c, depth + 1);
    }
    s3_xml_close(b, node->name.ptr);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct lb_arena a;
    struct lb_buf b, again;
    const struct s3_xml *root;
    lb_arena_init(&a, (size_t)1 << 28);
    lb_buf_init(&b, (size_t)1 << 26);
    lb_buf_init(&again, (size_t)1 << 26);
    char *copy = malloc(size + 1);
    memcpy(copy, data, size);
    int err = s3_xml_parse(&a, lb_slice(copy, size), &root);
    assert(err == 0 || err == LB_ERR_MALFORMED_XML);
    if (err == 0) {
        assert(!root->parent && write_out(&b, root, 1) <= S3_XML_NODES_MAX);
        if (b.err == 0 && s3_xml_parse(&a, lb_buf_slice(&b), &root) == 0) {
            write_out(&again, root, 1);
            assert(again.err || lb_slice_eq(lb_buf_slice(&b), lb_buf_slice(&again)));
        }
    }
    lb_buf_fini(&b);
    lb_buf_fini(&again);
    lb_arena_fini(&a);
    free(copy);
    return 0;
}

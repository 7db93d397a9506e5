/* Reading documents: what is kept, and what it costs. */
#include "lib/check.h"

#include "base/err.h"
#include "s3/xml_priv.h"

static void test_text(void **state) {
    const struct s3_xml *root;
    struct lb_arena a;
    lb_arena_init(&a, 1u << 20);
    assert_int_equal(s3_xml_parse(&a,
                                  LB_S("<x:A xmlns:x='y'>\n  <B> a&amp;b<![CDATA[<c>]]><!-- - -->d "
                                       "</B>\n  lost<C/>\n</x:A>"),
                                  &root),
                     0);
    CHECK_SLICE(root->name, "A");
    assert_int_equal(root->text.len, 0);
    CHECK_SLICE(s3_xml_child_text(root, LB_S("B")), " a&b<c>d ");
    CHECK_SLICE(s3_xml_child_text(root, LB_S("C")), "");
    assert_null(s3_xml_child_text(root, LB_S("D")).ptr);
    assert_int_equal(s3_xml_parse(&a, LB_S("<A>text</B>"), &root), LB_ERR_MALFORMED_XML);
    lb_arena_fini(&a);
}

/* White space between elements costs nothing: documents are sent indented. */
static void test_indented(void **state) {
    const struct s3_xml *root;
    struct lb_buf b;
    struct lb_arena a;
    size_t n = 0;
    lb_buf_init(&b, 8u << 20);
    lb_buf_printf(&b, "<CompleteMultipartUpload>\n");
    for (int i = 0; i < 10000; i++)
        lb_buf_printf(&b, "  <Part>\n    <PartNumber>%d</PartNumber>\n  </Part>\n", i);
    lb_buf_printf(&b, "</CompleteMultipartUpload>\n");
    lb_arena_init(&a, 6u << 20);
    assert_int_equal(s3_xml_parse(&a, lb_buf_slice(&b), &root), 0);
    for (const struct s3_xml *c = root->child; c; c = c->next)
        n++;
    assert_int_equal(n, 10000);
    lb_arena_fini(&a);
    lb_buf_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_indented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

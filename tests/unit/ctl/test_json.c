#include "lib/check.h"

#include <math.h>

#include "ctl/json.h"

static struct lb_buf out;
static struct lb_json doc;

static void begin(void) {
    lb_buf_init(&out, 1 << 16);
    lb_json_init(&doc, &out);
}

#define CHECK_OUT(text)                        \
    do {                                       \
        CHECK_SLICE(lb_buf_slice(&out), text); \
        lb_buf_fini(&out);                     \
    } while (0)

static void test_nesting(void **state) {
    begin();
    lb_json_object(&doc, NULL);
    lb_json_str(&doc, "name", "x");
    lb_json_array(&doc, "none");
    lb_json_end(&doc);
    lb_json_array(&doc, "some");
    lb_json_u64(&doc, NULL, 1);
    lb_json_object(&doc, NULL);
    lb_json_bool(&doc, "yes", true);
    lb_json_bool(&doc, "no", false);
    lb_json_end(&doc);
    lb_json_end(&doc);
    lb_json_end(&doc);
    CHECK_OUT("{\n  \"name\": \"x\",\n  \"none\": [],\n  \"some\": [\n    1,\n    {\n"
              "      \"yes\": true,\n      \"no\": false\n    }\n  ]\n}\n");
}

static void test_strings(void **state) {
    begin();
    lb_json_str(&doc, NULL, "a\"b\\c\n\x01\x7f\xc3\xa9\xff\xe2\x82");
    CHECK_OUT("\"a\\\"b\\\\c\\u000a\\u0001\\u007f\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    begin();
    lb_json_str(&doc, NULL, "\xc2\x80\xc2\x9b\xc2\xa0");
    CHECK_OUT("\"\\u0080\\u009b\xc2\xa0\"");
    begin();
    lb_json_str(&doc, NULL, NULL);
    CHECK_OUT("null");
    begin();
    lb_json_str(&doc, NULL, "");
    CHECK_OUT("\"\"");
}

static void test_numbers(void **state) {
    begin();
    lb_json_array(&doc, NULL);
    lb_json_u64(&doc, NULL, UINT64_MAX);
    lb_json_double(&doc, NULL, 0.5);
    lb_json_double(&doc, NULL, -1);
    lb_json_double(&doc, NULL, NAN);
    lb_json_double(&doc, NULL, INFINITY);
    lb_json_end(&doc);
    CHECK_OUT("[\n  18446744073709551615,\n  0.500,\n  -1.000,\n  null,\n  null\n]\n");
}

static void test_times(void **state) {
    begin();
    lb_json_array(&doc, NULL);
    lb_json_time(&doc, NULL, 0);
    lb_json_time(&doc, NULL, 1);
    lb_json_time(&doc, NULL, 1795341600);
    lb_json_end(&doc);
    CHECK_OUT("[\n  null,\n  \"1970-01-01T00:00:01Z\",\n  \"2026-11-22T10:00:00Z\"\n]\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nesting),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

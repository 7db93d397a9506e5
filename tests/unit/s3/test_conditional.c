/* Conditional requests: RFC 9110's precedence, lists of entity tags, dates. */
#include "lib/check.h"

#include "base/err.h"
#include "s3/conditional_priv.h"

#define ETAG "d41d8cd98f00b204e9800998ecf8427e"
#define MTIME "Sun, 06 Nov 1994 08:49:37 GMT" /* 784111777 */
#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define AFTER "Sun, 06 Nov 1994 08:49:38 GMT"

static struct lb_object_info object(void) {
    struct lb_object_info info = {.mtime_ns = 784111777 * 1000000000ll + 999999999};
    info.etag.len = sizeof(ETAG) - 1;
    memcpy(info.etag.text, ETAG, info.etag.len);
    return info;
}

struct test {
    struct lb_exchange x;
    struct lb_http_request http;
    struct s3_request r;
};

/* headers: name, value, ..., NULL. */
static void request(struct test *t, const char *const *headers) {
    memset(t, 0, sizeof(*t));
    for (; headers[0]; headers += 2)
        t->http.headers[t->http.headers_n++] =
            (struct lb_http_header){lb_slice_cstr(headers[0]), lb_slice_cstr(headers[1])};
    t->x.request = &t->http;
    t->r.x = &t->x;
}

static int check(const char *const *headers) {
    static struct test t;
    struct lb_object_info info = object();
    struct s3_conditions c;
    request(&t, headers);
    s3_conditions_of_read(&t.r, &c);
    return s3_conditions_check(&c, &info);
}

#define CHECK(expected, ...) \
    assert_int_equal(check((const char *const[]){__VA_ARGS__, NULL, NULL}), expected)
#define FAILED LB_ERR_PRECONDITION_FAILED
#define SAME LB_ERR_NOT_MODIFIED

static void test_tags(void **state) {
    CHECK(0, "If-Match", "\"" ETAG "\"");
    CHECK(0, "If-Match", ETAG);
    CHECK(0, "If-Match", "*");
    CHECK(0, "if-match", "\"a\", \"" ETAG "\"");
    CHECK(FAILED, "If-Match", "\"a\"");
    CHECK(FAILED, "If-Match", "");
    CHECK(FAILED, "If-Match", "W/\"" ETAG "\"");
    CHECK(SAME, "If-None-Match", "\"" ETAG "\"");
    CHECK(SAME, "If-None-Match", "W/\"" ETAG "\"");
    CHECK(SAME, "If-None-Match", "\"a\",W/\"b\",\"" ETAG "\"");
    CHECK(SAME, "If-None-Match", "*");
    CHECK(0, "If-None-Match", "\"a\"");
}

static void test_dates(void **state) {
    CHECK(SAME, "If-Modified-Since", MTIME);
    CHECK(SAME, "If-Modified-Since", AFTER);
    CHECK(0, "If-Modified-Since", BEFORE);
    CHECK(0, "If-Modified-Since", "yesterday");
    CHECK(0, "If-Unmodified-Since", MTIME);
    CHECK(0, "If-Unmodified-Since", AFTER);
    CHECK(FAILED, "If-Unmodified-Since", BEFORE);
    CHECK(0, "If-Unmodified-Since", "tomorrow");
}

static void test_precedence(void **state) {
    CHECK(0, "If-Match", "*", "If-Unmodified-Since", BEFORE);
    CHECK(FAILED, "If-Match", "a", "If-Unmodified-Since", AFTER);
    CHECK(0, "If-None-Match", "a", "If-Modified-Since", AFTER);
    CHECK(SAME, "If-None-Match", ETAG, "If-Modified-Since", BEFORE);
    CHECK(FAILED, "If-Match", "a", "If-None-Match", ETAG);
    CHECK(SAME, "If-Match", "*", "If-None-Match", ETAG);
    CHECK(SAME, "If-Unmodified-Since", AFTER, "If-None-Match", ETAG);
}

static void test_copy_source(void **state) {
    struct test t;
    struct lb_object_info info = object();
    struct s3_conditions c;
    request(&t, (const char *const[]){"If-Match", "a", "x-amz-copy-source-if-none-match", ETAG,
                                      NULL, NULL});
    s3_conditions_of_copy(&t.r, &c);
    assert_int_equal(s3_conditions_check(&c, &info), SAME);
}

static int precond(const char *name, const char *value, struct lb_precond *ret) {
    static struct test t;
    request(&t, (const char *const[]){name, value, NULL, NULL});
    return s3_precond_parse(&t.r, ret);
}

static void test_writes(void **state) {
    struct lb_precond p;
    assert_int_equal(precond("If-None-Match", "*", &p), 0);
    CHECK_SLICE(p.if_none_match, "*");
    assert_int_equal(p.if_match.len, 0);
    assert_int_equal(precond("If-Match", "\"abc\"", &p), 0);
    CHECK_SLICE(p.if_match, "abc");
    assert_int_equal(precond("If-Match", "abc", &p), 0);
    CHECK_SLICE(p.if_match, "abc");
    assert_int_equal(precond("Other", "", &p), 0);
    assert_int_equal(p.if_match.len + p.if_none_match.len, 0);
    assert_int_equal(precond("If-Match", "\"a\",\"b\"", &p), LB_ERR_NOT_IMPLEMENTED);
    assert_int_equal(precond("If-Match", "W/\"a\"", &p), LB_ERR_NOT_IMPLEMENTED);
    assert_int_equal(precond("If-Unmodified-Since", MTIME, &p), LB_ERR_NOT_IMPLEMENTED);
    assert_int_equal(precond("If-None-Match", "\"\"", &p), LB_ERR_INVALID_ARGUMENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tags),       cmocka_unit_test(test_dates),
        cmocka_unit_test(test_precedence), cmocka_unit_test(test_copy_source),
        cmocka_unit_test(test_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

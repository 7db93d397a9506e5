/* Requests for the tests of auth/: read from the text of a vector, or built by hand. */
#ifndef LB_TESTS_AUTH_REQUEST_H
#define LB_TESTS_AUTH_REQUEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/sigv4.h"

#define TEST_ACCESS_KEY "AKIAIOSFODNN7EXAMPLE"
#define TEST_SECRET_KEY "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define TEST_DATE "20130524T000000Z"
#define TEST_NOW_S 1369353600 /* TEST_DATE */
#define TEST_EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct test_request {
    struct lb_auth_request auth;
    struct lb_auth_pair headers[32];
};

static inline struct lb_creds *test_creds(uint64_t epoch) {
    struct lb_creds *creds = lb_creds_new();
    struct lb_cred cred = {.access_key = TEST_ACCESS_KEY,
                           .secret_key = TEST_SECRET_KEY,
                           .user_id = "id",
                           .display_name = "name",
                           .epoch = epoch};
    assert_non_null(creds);
    assert_int_equal(lb_creds_add(creds, &cred), 0);
    return creds;
}

/* Sets method, path and query from "GET /b/k?q". */
static inline void test_request_line(struct test_request *r, struct lb_slice line) {
    r->auth.method = lb_slice_cut(&line, ' ');
    struct lb_slice target = lb_slice_cut(&line, ' ');
    r->auth.path = lb_slice_cut(&target, '?');
    r->auth.query = target;
    r->auth.headers = r->headers;
    r->auth.headers_n = 0;
}

static inline void test_header(struct test_request *r, struct lb_slice name,
                               struct lb_slice value) {
    assert_true(r->auth.headers_n < sizeof(r->headers) / sizeof(r->headers[0]));
    r->headers[r->auth.headers_n++] = (struct lb_auth_pair){name, lb_slice_trim(value)};
}

/* Parses a request as make_sigv4.py writes it. Borrows text. */
static inline void test_request_parse(struct test_request *r, struct lb_slice text) {
    test_request_line(r, lb_slice_cut(&text, '\n'));
    for (;;) {
        struct lb_slice line = lb_slice_cut(&text, '\n');
        if (!line.len)
            return;
        struct lb_slice name = lb_slice_cut(&line, ':');
        test_header(r, name, line);
    }
}

#endif

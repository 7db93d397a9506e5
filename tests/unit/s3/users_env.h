/* What the tests of rights share: requests signed by one user or another. */
#ifndef LB_TESTS_UNIT_S3_USERS_ENV_H
#define LB_TESTS_UNIT_S3_USERS_ENV_H

#include "lib/s3_harness.h"

#include <stdio.h>

#include "base/err.h"

static struct s3_harness h;
static struct s3_call c;
static struct lb_buf head;

#define ADMIN NULL
#define NOBODY ""

static inline struct lb_cred user(const char *key, const char *name) {
    struct lb_cred cred = {.secret_key = "secret", .epoch = 1};
    strcpy(cred.access_key, key);
    strcpy(cred.user_id, name);
    strcpy(cred.display_name, name);
    return cred;
}

/* Runs a request signed by the user with that access key; NOBODY: not signed. */
static inline int call(const char *who, const char *method, const char *target, const char *headers,
                       struct lb_slice body) {
    struct lb_buf lines;
    lb_buf_init(&lines, 65536);
    lb_buf_printf(&lines, "%sContent-Length: %zu\r\n", headers, body.len);
    lb_buf_append_char(&lines, '\0');
    lb_buf_clear(&head);
    h.signer = who;
    if (who && !*who)
        lb_buf_printf(&head, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s", method, target, lines.ptr);
    else
        s3_harness_sign(&h, method, target, lines.ptr, "UNSIGNED-PAYLOAD", &head);
    lb_buf_fini(&lines);
    s3_call_fini(&c);
    c = (struct s3_call){.head = lb_buf_slice(&head), .body = body};
    s3_call_run(&h, &c);
    return c.status;
}

static inline int ask(const char *who, const char *method, const char *target) {
    return call(who, method, target, "", LB_S(""));
}

static inline int teardown(void **state) {
    s3_call_fini(&c);
    lb_buf_fini(&head);
    s3_harness_fini(&h);
    return 0;
}

#endif
